"""
Documents in the bytes of this, an earlier or a later release: servers of two releases may share a Redis.

Releases only append members. So a later one's bytes begin with what this one would write, and the rest can be ignored;
an earlier one's bytes lack our last members, and the document must be loaded again.
"""

import functools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from cache_layer import OtherRelease

Document = TypeVar("Document", bound=msgspec.Struct)

encode = msgspec.json.Encoder().encode

NOT_OURS = "not the bytes that this document is written as"


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=True)


def _parse(kind: Any, payload: bytes) -> Any:
    try:
        return _decoder(kind).decode(payload)
    except RecursionError:
        raise ValueError("nested without end") from None


def decode(kind: type[Document], payload: bytes, require: Callable[[Document], None] = lambda _: None) -> Document:
    """
    Decode a document.

    Args:
        require: raises ValueError for one that this entry cannot have, whichever release wrote it.
    Raises:
        OtherRelease: another release wrote the bytes.
        ValueError: no release did.
    """
    try:
        document: Document = _parse(kind, payload)
    except msgspec.ValidationError as error:
        wrong: Exception = error
    else:
        own = encode(document)
        if own == payload:
            require(document)
            return document
        if OtherRelease.begins_with(payload, own):
            require(document)
            raise OtherRelease(document, partial(_agree, payload))
        wrong = ValueError(NOT_OURS)
    raise OtherRelease(None, partial(_agree, payload)) if _lacks_last_members(kind, payload) else wrong


def decode_several(
    kind: type[Document], payload: bytes, require: Callable[[tuple[Document, ...]], None]
) -> tuple[Document, ...]:
    """Like `decode`, for an array of documents."""
    try:
        documents: tuple[Document, ...] = _parse(tuple[kind, ...], payload)  # type: ignore[valid-type] # a type
    except msgspec.ValidationError:
        pass  # the first invalid one says why
    else:
        if encode(documents) == payload:
            require(documents)
            return documents
    parts: list[msgspec.Raw] = _parse(list[msgspec.Raw], payload)
    found: list[Any] = []
    for part in parts:
        try:
            found.append(decode(kind, bytes(part)))
        except OtherRelease as other:
            found.append(other.document)
    if payload != b"[" + b",".join(map(bytes, parts)) + b"]":
        raise ValueError(NOT_OURS)
    whole = None if None in found else tuple(found)
    if whole is not None:
        require(whole)
    raise OtherRelease(whole, partial(_all_agree, list(map(bytes, parts))))


def _lacks_last_members(kind: type[msgspec.Struct], payload: bytes) -> bool:
    """Whether the bytes are those of a document with only the first of the members."""
    try:
        count = len(_parse(dict[str, msgspec.Raw], payload))
        return 0 < count < len(kind.__struct_fields__) and encode(_parse(_earlier(kind, count), payload)) == payload
    except ValueError:
        return False


@functools.cache
def _earlier(kind: type[msgspec.Struct], count: int) -> type[msgspec.Struct]:
    """The document when it had only its first `count` members."""
    return msgspec.defstruct(kind.__name__, [(each.name, each.type) for each in msgspec.structs.fields(kind)[:count]])


def _agree(payload: bytes, document: msgspec.Struct) -> bool:
    return OtherRelease.agree(payload, encode(document))


def _all_agree(payloads: list[bytes], documents: Sequence[msgspec.Struct]) -> bool:
    return len(payloads) == len(documents) and all(map(_agree, payloads, documents))
