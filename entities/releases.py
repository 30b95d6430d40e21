"""
Documents in the bytes of this release, of an earlier one and of a later one: servers of two may share a Redis.

A release adds members behind those there are. So what a later one writes begins with what this one would, and can be
used without the rest; what an earlier one wrote lacks the last of our members, and has to be loaded anew.
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
    The document of its bytes.

    Raises:
        OtherRelease: another release has written them.
        ValueError: no release has.
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
    """The same, of an array of documents."""
    try:
        documents: tuple[Document, ...] = _parse(tuple[kind, ...], payload)  # type: ignore[valid-type] # a type
    except msgspec.ValidationError:
        pass  # the first that is wrong says why
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
