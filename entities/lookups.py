"""Which data of entity types is cached, and under which keys."""

from operator import attrgetter
from typing import Any

from django.conf import settings

from cache_layer import CoherentLookup
from entities.documents import EntityDocument, decode_entities, decode_entity, document_of, encode
from entities.models import Entity
from entities.tags import tagged_codes

COLUMNS = (*EntityDocument.__struct_fields__, "display_order")

STAMPS = 16
"""One change has Redis confirm copies of a sixteenth of the entity types, and of the sixteenth with the list."""

OF_ENTITIES: dict[str, Any] = {
    "model": Entity,
    "encode": encode,
    "columns": COLUMNS,
    "ttl_seconds": settings.CACHES["entity_metadata"]["TIMEOUT"],
    "stamp": "entity",
    "stamps": STAMPS,
}


ENTITY: CoherentLookup[EntityDocument] = CoherentLookup(
    name="entity",
    identifier_field="code",
    key_pattern="entity:metadata:{}",
    rows=lambda codes: Entity.objects.filter(code__in=codes, active_flag=True),
    build=lambda rows: document_of(rows[0]) if rows else None,
    decode=decode_entity,
    tagged=tagged_codes,
    **OF_ENTITIES,
)

ENTITY_TYPES: CoherentLookup[tuple[EntityDocument, ...]] = CoherentLookup(
    name="entity_types",
    identifier_field=None,
    key_pattern="entity:types",
    rows=lambda _: Entity.objects.filter(active_flag=True),
    build=lambda rows: tuple(map(document_of, sorted(rows, key=attrgetter("display_order", "code")))),
    decode=decode_entities,
    write_through=False,
    **OF_ENTITIES,
)

ENTITY.register()
ENTITY_TYPES.register()
