"""
Documents in the bytes of this, an earlier or a later release: servers of two releases may share a Redis.

Releases only append members. So a later one's bytes begin with what this one would write, and the rest can be ignored;
an earlier one's bytes lack our last members, and the document must be loaded again.
"""

from __future__ import annotations

import functools
from typing import Any, TypeVar

import msgspec

from cache_layer import OtherRelease

Document = TypeVar("Document", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder()
encode = _encoder.encode

NOT_OURS = "not the bytes that this document is written as"


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=True)


def _parse(kind: Any, payload: bytes) -> Any:
    try:
        return _decoder(kind).decode(payload)
    except RecursionError:
        raise ValueError("nested without end") from None


def decode(kind: type[Document], payload: bytes) -> Document:
    """
    Decode a document.

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
            return document
        if payload.startswith(own[:-1] + b","):
            raise OtherRelease(document)
        wrong = ValueError(NOT_OURS)
    raise OtherRelease(None) if _lacks_last_members(kind, payload) else wrong


def decode_several(kind: type[Document], payload: bytes) -> tuple[Document, ...]:
    """Decode an array of documents."""
    try:
        documents: tuple[Document, ...] = _parse(tuple[kind, ...], payload)  # type: ignore[valid-type] # a type
    except msgspec.ValidationError:
        pass  # the first invalid one says why
    else:
        if encode(documents) == payload:
            return documents
    parts: list[msgspec.Raw] = _parse(list[msgspec.Raw], payload)
    found: list[Document | None] = []
    for part in parts:
        try:
            found.append(decode(kind, bytes(part)))
        except OtherRelease as other:
            found.append(other.document)
    if payload != b"[" + b",".join(map(bytes, parts)) + b"]":
        raise ValueError(NOT_OURS)
    raise OtherRelease(None if None in found else tuple(found))


def _lacks_last_members(kind: type[msgspec.Struct], payload: bytes) -> bool:
    try:
        members: dict[str, msgspec.Raw] = _parse(dict[str, msgspec.Raw], payload)
    except ValueError:
        return False
    names = kind.__struct_fields__[: len(members)]
    written = b",".join(b'"%b":%b' % (name.encode(), bytes(value)) for name, value in members.items())
    return len(members) > 0 and tuple(members) == names and payload == b"{" + written + b"}"
