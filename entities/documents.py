"""The document of one entity type: its fields, their order, and their bytes in Redis and API responses."""

from __future__ import annotations

import operator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from entities import releases

if TYPE_CHECKING:
    from entities.models import Entity


Name = Annotated[str, msgspec.Meta(max_length=50)]
Label = Annotated[str, msgspec.Meta(max_length=100)]


class EntityDocument(msgspec.Struct, frozen=True):
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
    """A column's value as in the document: immutable, and times to the second."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(microsecond=0)
    return tuple(value) if isinstance(value, list) else value


encode = releases.encode


def decode_entity(code: str, payload: bytes) -> EntityDocument:
    """
    Decode bytes found in Redis.

    Raises:
        OtherRelease: another release wrote them.
        ValueError: they are not exactly one active document with this code.
    """
    return releases.decode(EntityDocument, payload, lambda document: _require_active(code, document))


def decode_entities(_: str, payload: bytes) -> tuple[EntityDocument, ...]:
    """Decode the list of active entity types, each once."""
    return releases.decode_several(EntityDocument, payload, _require_active_once)


def _require_active(code: str, document: EntityDocument) -> None:
    if document.code != code or not document.active_flag:
        raise ValueError(f"a document of {document.code!r}, active: {document.active_flag}")


def _require_active_once(documents: tuple[EntityDocument, ...]) -> None:
    if len({document.code for document in documents}) < len(documents):
        raise ValueError("an entity type comes twice")
    if not all(document.active_flag for document in documents):
        raise ValueError("inactive entity types")
