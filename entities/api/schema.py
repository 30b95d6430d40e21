"""What the OpenAPI document says about each endpoint: the API's contract, in words that people read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema

from entities.api import schema_fields  # noqa: F401 - drf-spectacular finds them once they are imported
from entities.api.parameters import (
    CHILDREN,
    CODE,
    CODES,
    ETAG,
    FORMER_ICON,
    IF_MATCH,
    IF_NONE_MATCH,
    INCLUDE_INACTIVE,
    LOCATION,
    RETRY_AFTER,
    TAG,
    WARNING,
    X_CACHE,
    flag,
)
from entities.api.refusals import InvalidatedSerializer, errors
from entities.api.serializers import (
    ChildrenSerializer,
    EntityFieldsSerializer,
    EntityRowSerializer,
    EntitySerializer,
)
from entities.documents import document_of, encode_entity
from entities.fields import NOT_IN_DOCUMENT
from entities.models import Entity

ENTITY_SCHEMA = {"$ref": "#/components/schemas/Entity"}
WITH_CHILDREN = {
    "allOf": [ENTITY_SCHEMA, {"type": "object", "properties": {"children": {"type": "array", "items": ENTITY_SCHEMA}}}]
}

_PROJECT = Entity(
    code="project",
    entity_type="project",
    label="Project",
    label_plural="Projects",
    icon="FolderKanban",
    child_entity_codes=["task", "wiki", "artifact", "form", "expense", "revenue"],
    display_order=10,
    created_ts=datetime(2025, 1, 15, 10, 30, tzinfo=UTC),
    modified_ts=datetime(2025, 1, 18, 14, 22, tzinfo=UTC),
)
PROJECT: dict[str, Any] = msgspec.json.decode(encode_entity(document_of(_PROJECT)))
ROW = OpenApiExample(
    "project",
    PROJECT | {name: getattr(_PROJECT, name) for name in NOT_IN_DOCUMENT},
    response_only=True,
    status_codes=[200],
)
ANSWERED = OpenApiExample("project", PROJECT, response_only=True, status_codes=[200, 201])

read_types = extend_schema(
    operation_id="read_entity_types",
    tags=["reading"],
    summary="All entity types",
    description="All active entity types in display order, from the cache; or those with these `codes`, in that order,"
    " without the ones that are unknown or inactive.",
    parameters=[CODES, INCLUDE_INACTIVE, IF_NONE_MATCH, ETAG, X_CACHE, WARNING, RETRY_AFTER],
    responses={
        200: EntitySerializer(many=True),
        304: OpenApiResponse(description="Not changed."),
        **errors(400, 401, 503),
    },
    examples=[ANSWERED],
)

read_type = extend_schema(
    operation_id="read_entity_type",
    tags=["reading"],
    summary="One entity type",
    description="One active entity type, from the cache: byte for byte what Redis has under `entity:metadata:{code}`.",
    parameters=[CODE, CHILDREN, INCLUDE_INACTIVE, IF_NONE_MATCH, ETAG, X_CACHE, WARNING, RETRY_AFTER],
    responses={
        200: WITH_CHILDREN,
        304: OpenApiResponse(description="Not changed."),
        **errors(400, 401, 404, 503),
    },
    examples=[ANSWERED],
)

_ROW = (
    "with its `display_order`, which the document leaves out. It is read from the database each time. The `ETag` that"
    " `If-Match` wants is that of `entity/type/{code}`."
)

read_rows = extend_schema(
    operation_id="read_entity_rows",
    tags=["writing"],
    summary="All entity types with every field that can be set",
    description=f"Every entity type, active or not, in display order, {_ROW}",
    parameters=[X_CACHE, RETRY_AFTER],
    responses={200: EntityRowSerializer(many=True), **errors(400, 401, 503)},
    examples=[ROW],
)

read_row = extend_schema(
    operation_id="read_entity_row",
    tags=["writing"],
    summary="One entity type with every field that can be set",
    description=f"One entity type, active or not, {_ROW}",
    parameters=[CODE, X_CACHE, RETRY_AFTER],
    responses={200: EntityRowSerializer, **errors(400, 401, 404, 503)},
    examples=[ROW],
)

create = extend_schema(
    operation_id="create_entity",
    tags=["writing"],
    summary="Add an entity type",
    description="Needs the permission to add entity types. Children must exist already.",
    parameters=[ETAG, LOCATION, FORMER_ICON, RETRY_AFTER],
    request=EntityFieldsSerializer,
    responses={201: EntitySerializer, **errors(400, 401, 403, 413, 415, 503)},
    examples=[
        ANSWERED,
        OpenApiExample(
            "project",
            {
                "code": "project",
                "label": "Project",
                "label_plural": "Projects",
                "icon": "FolderKanban",
                "child_entity_codes": ["task", "wiki"],
                "display_order": 5,
            },
            request_only=True,
        ),
    ],
)

change = extend_schema(
    operation_id="change_entity",
    tags=["writing"],
    summary="Change fields of an entity type",
    description="Needs the permission to change entity types. Fields that are not given stay as they are; `code` never "
    'changes. Works on inactive ones too: `{"active_flag": true}` brings one back.',
    parameters=[CODE, IF_MATCH, ETAG, FORMER_ICON, RETRY_AFTER],
    request=EntityFieldsSerializer,
    responses={200: EntitySerializer, **errors(400, 401, 403, 404, 412, 413, 415, 503)},
    examples=[ANSWERED, OpenApiExample("rename", {"label": "Project", "label_plural": "Projects"}, request_only=True)],
)

change_children = extend_schema(
    operation_id="change_children",
    tags=["writing"],
    summary="Append or replace the children of an entity type",
    description="Needs the permission to change entity types. `append` adds codes after the existing ones, each "
    "once; concurrent appends lose none. `replace` sets the whole list, which must name each code once.",
    parameters=[CODE, IF_MATCH, ETAG, RETRY_AFTER],
    request=ChildrenSerializer,
    responses={200: EntitySerializer, **errors(400, 401, 403, 404, 412, 413, 415, 503)},
    examples=[
        ANSWERED,
        OpenApiExample("append", {"child_entity_codes": ["risk", "issue"]}, request_only=True),
        OpenApiExample("replace", {"child_entity_codes": ["task"], "mode": "replace"}, request_only=True),
    ],
)

remove = extend_schema(
    operation_id="remove_entity",
    tags=["writing"],
    summary="Deactivate or purge an entity type",
    description="Needs the permission to delete entity types, in every form. By default the entity type is deactivated:"
    " readers get 404, those that list it keep doing so, and a PATCH of `active_flag` brings it back. `purge=true`"
    " removes it for good, and is refused with 409 while others, active or not, list it as a child. `detach=true` goes"
    " with both: it takes the code out of all that list it, in the same transaction.",
    parameters=[
        CODE,
        flag("purge", "Remove it for good."),
        flag("detach", "Take it out of the entity types that list it."),
        IF_MATCH,
        ETAG,
        RETRY_AFTER,
    ],
    request=None,
    responses={
        200: OpenApiResponse(EntitySerializer, "Deactivated (or was inactive before)."),
        204: OpenApiResponse(description="Purged."),
        **errors(400, 401, 403, 404, 409, 412, 503),
    },
    examples=[
        OpenApiExample("deactivated", PROJECT | {"active_flag": False}, response_only=True, status_codes=[200]),
        OpenApiExample(
            "listed",
            {
                "code": "listed_by_parents",
                "detail": "task is still listed as a child of: project.",
                "errors": {},
                "parents": ["project"],
            },
            response_only=True,
            status_codes=[409],
        ),
    ],
)

clear_cache = extend_schema(
    operation_id="clear_cache",
    tags=["cache"],
    summary="Drop every entity type, or those of a tag, from the cache",
    description="For staff. Readers fill the cache again from the database.",
    parameters=[TAG, RETRY_AFTER],
    request=None,
    responses={200: InvalidatedSerializer, **errors(400, 401, 403, 503)},
)

invalidate = extend_schema(
    operation_id="invalidate_cache",
    tags=["cache"],
    summary="Drop one entity type, and the list of all, from the cache",
    description="For staff. Readers fill the cache again from the database.",
    parameters=[CODE, RETRY_AFTER],
    request=None,
    responses={200: InvalidatedSerializer, **errors(401, 403, 404, 503)},
)
