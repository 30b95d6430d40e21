"""The document of one entity type: the fields, their order and their bytes in Redis and in API answers."""

from __future__ import annotations

import functools
import operator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

if TYPE_CHECKING:
    from entities.models import Entity


Name = Annotated[str, msgspec.Meta(max_length=50)]
Label = Annotated[str, msgspec.Meta(max_length=100)]


class EntityDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entity type as programs see it; timestamps are UTC to the second. None is longer than the table allows."""

    code: Name
    entity_type: Name
    label: Label
    label_plural: Label
    icon: Name
    child_entity_codes: tuple[Name, ...]
    active_flag: bool
    created_ts: Annotated[datetime, msgspec.Meta(tz=True)]
    modified_ts: Annotated[datetime, msgspec.Meta(tz=True)]


def document_of(entity: Entity) -> EntityDocument:
    """The document of a row."""
    return EntityDocument(*map(_as_documented, _members_of(entity)))


_members_of = operator.attrgetter(*EntityDocument.__struct_fields__)


def _as_documented(value: Any) -> Any:
    """A column's value as the document has it: nothing that could be changed, and times to the second."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(microsecond=0)
    return tuple(value) if isinstance(value, list) else value


_encoder = msgspec.json.Encoder()
encode_entity = _encoder.encode
encode_entities = _encoder.encode


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=True)


def decode_entity(code: str, payload: bytes) -> EntityDocument:
    """
    The document of bytes found in Redis.

    Raises:
        ValueError: they are not exactly one active document of today's shape, of this code.
    """
    document: EntityDocument = _decoder(EntityDocument).decode(payload)
    _require_own_bytes(document, payload)
    if document.code != code or not document.active_flag:
        raise ValueError(f"a document of {document.code!r}, active: {document.active_flag}")
    return document


def decode_entities(_: str, payload: bytes) -> tuple[EntityDocument, ...]:
    """The same, for the list of active entity types, each once."""
    documents: tuple[EntityDocument, ...] = _decoder(tuple[EntityDocument, ...]).decode(payload)
    _require_own_bytes(documents, payload)
    if len({document.code for document in documents}) < len(documents):
        raise ValueError("an entity type comes twice")
    if not all(document.active_flag for document in documents):
        raise ValueError("inactive entity types")
    return documents


def _require_own_bytes(document: Any, payload: bytes) -> None:
    if _encoder.encode(document) != payload:
        raise ValueError("not the bytes that this document is written as")
