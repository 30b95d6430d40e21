"""The entity infrastructure service: how a platform reads entity types and drops them from the cache."""

import functools
from collections.abc import Iterable

from django.db import router

from cache_layer import Read, Source
from entities.codes import is_code
from entities.documents import EntityDocument, document_of, encode
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.models import Entity


class EntityInfrastructure:
    """
    Entity types, from the cache where allowed.

    No read is older than the last write that returned before it began, on any server; without Redis, reads use the
    database.
    """

    def get_entity(self, code: str, include_inactive: bool = False) -> EntityDocument | None:
        """One entity type; None if it does not exist, or is inactive and `include_inactive` is not set."""
        copy = None if include_inactive else ENTITY.peek(code)
        return copy.document if copy is not None else self.read_entity(code, include_inactive).document

    def get_entities(self, codes: Iterable[str]) -> dict[str, EntityDocument]:
        """The active ones of these entity types, by code and in this order, fetched together, each once."""
        return {document.code: document for document in self.read_entities(codes).document or ()}

    def get_all_entity(self, include_inactive: bool = False) -> tuple[EntityDocument, ...]:
        """All entity types in display order."""
        return self.read_all_entity(include_inactive).document or ()

    def get_parent_entity_types(self, code: str) -> list[str]:
        """The codes of the active entity types that list `code` as a child, in display order."""
        return [entity.code for entity in self.get_all_entity() if code in entity.child_entity_codes]

    def invalidate_entity_cache(self, code: str) -> int:
        """
        Drop one entity type and the list of all from the cache; returns how many of the two were there.

        Raises:
            CacheUnavailable: Redis did not answer: the outcome is uncertain, try again.
        """
        return ENTITY.entries_of_rows(code).invalidate()

    def invalidate_tagged_entity_cache(self, tag: str) -> int:
        """
        Drop the entity types that a tag names (`under:project`: project and everything inside it) and the list of all
        from the cache; returns how many were there.

        Raises:
            UnknownTag: there is no such tag; nothing was dropped.
            CacheUnavailable: Redis did not answer: the outcome is uncertain, try again.
        """
        return ENTITY.entries_of_rows(*ENTITY.find_tagged(tag)).invalidate()

    def clear_all_entity_cache(self) -> int:
        """
        Drop every entity type from the cache; returns how many there were.

        Raises:
            CacheUnavailable: Redis did not answer.
        """
        ENTITY_TYPES.invalidate()
        return ENTITY.clear()

    def read_entity(self, code: str, include_inactive: bool = False) -> Read[EntityDocument]:
        """Like `get_entity`, with the document's bytes and their source."""
        if not is_code(code):
            return Read(None, b"", Source.DATABASE)
        if not include_inactive:
            return ENTITY.read(code)
        row = Entity.objects.using(router.db_for_write(Entity)).filter(code=code).first()
        document = document_of(row) if row else None
        return Read(document, encode(document) if document else b"", Source.BYPASS)

    def read_entities(self, codes: Iterable[str]) -> Read[tuple[EntityDocument, ...]]:
        """Like `get_entities`, with the bytes of the JSON array and the furthest source any of it came from."""
        reads = list(ENTITY.read_many(filter(is_code, codes)).values())
        return Read(
            tuple(read.document for read in reads if read.document is not None),
            b"[" + b",".join(read.payload for read in reads if read.document is not None) + b"]",
            max((read.source for read in reads), key=list(Source).index, default=Source.LOCAL),
            Read.copies_of(reads),
        )

    def read_entity_with_children(self, code: str) -> Read[EntityDocument]:
        """One active entity type, with its active children's documents in an extra field, `children`."""
        entity = self.read_entity(code)
        if entity.document is None:
            return entity
        children = self.read_entities(entity.document.child_entity_codes)
        return Read(
            entity.document,
            entity.payload.removesuffix(b"}") + b',"children":' + children.payload + b"}",
            max(entity.source, children.source, key=list(Source).index),
            Read.copies_of((entity, children)) if entity.document.child_entity_codes else entity.copies,
        )

    def read_all_entity(self, include_inactive: bool = False) -> Read[tuple[EntityDocument, ...]]:
        """Like `get_all_entity`, with the bytes of the JSON array and their source."""
        if not include_inactive:
            return ENTITY_TYPES.read()
        documents = tuple(document_of(row) for row in Entity.objects.using(router.db_for_write(Entity)))
        return Read(documents, encode(documents), Source.BYPASS)


@functools.cache
def get_entity_infrastructure() -> EntityInfrastructure:
    """This process's service."""
    return EntityInfrastructure()
