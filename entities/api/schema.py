"""What the OpenAPI document says about each endpoint: the API's contract, in words that people read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from entities.api import schema_fields  # noqa: F401 - drf-spectacular finds them once they are imported
from entities.api.serializers import (
    ChildrenSerializer,
    EntityFieldsSerializer,
    EntityRowSerializer,
    EntitySerializer,
)
from entities.codes import CODE_PATTERN, RESERVED_CODES
from entities.documents import document_of, encode_entity
from entities.fields import NOT_IN_DOCUMENT
from entities.models import Entity


class ErrorSerializer(serializers.Serializer[Any]):
    """
    Why a request was refused: `code` for programs, `detail` for people, and `errors` by field or parameter. `errors`
    is empty unless `code` is `invalid`.
    """

    code = serializers.CharField()
    detail = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment] # of the serializer itself it is a property
        child=serializers.ListField(child=serializers.CharField())
    )


class ListedSerializer(ErrorSerializer):
    """An entity type that others still list as a child."""

    parents = serializers.ListField(child=serializers.CharField())


class InvalidatedSerializer(serializers.Serializer[Any]):
    """How many entries Redis had and has no longer."""

    invalidated = serializers.IntegerField()


ERRORS = {
    400: OpenApiResponse(ErrorSerializer, "Something in it is wrong; or there is no body, or one that is no JSON."),
    401: OpenApiResponse(ErrorSerializer, "No token, or one that is not valid (any more)."),
    403: OpenApiResponse(ErrorSerializer, "The user lacks the permission."),
    404: OpenApiResponse(ErrorSerializer, "There is no such entity type."),
    409: OpenApiResponse(ListedSerializer, "Others still list it as a child; nothing was changed."),
    412: OpenApiResponse(ErrorSerializer, "It changed since the version that `If-Match` names; nothing was changed."),
    413: OpenApiResponse(ErrorSerializer, "The body is bigger than 1 MB."),
    415: OpenApiResponse(ErrorSerializer, "The body is not `application/json`."),
    429: OpenApiResponse(ErrorSerializer, "Too many failed logins; `Retry-After` tells when to try again."),
    503: OpenApiResponse(
        ErrorSerializer, "An engine that is needed does not answer; `Retry-After` tells when to retry."
    ),
}


def errors(*statuses: int) -> dict[int, OpenApiResponse]:
    """The descriptions of these error answers."""
    return {status: ERRORS[status] for status in statuses}


def _header(name: str, description: str, *statuses: int) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description, response=list(statuses))


def _flag(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, bool, OpenApiParameter.QUERY, description=description, default=False)


RETRY_AFTER = _header("Retry-After", "Seconds until the next try.", 429, 503)
ETAG = _header("ETag", "Names these exact bytes of the document; with 412, of the current one.", 200, 201, 304, 412)
LOCATION = _header("Location", "Where to read it.", 201)
X_CACHE = _header(
    "X-Cache",
    "Where it came from: `L1` this process's memory, `L2` Redis, `DB` the database (and it is cached now), `BYPASS` the"
    " database (and it must not be cached now), `STALE` the last known, because the database is away (if this server is"
    " set to serve it).",
    200,
    304,
)
WARNING = _header("Warning", '`110 - "Response is Stale"` with `X-Cache: STALE`.', 200, 304)
FORMER_ICON = _header(
    "Warning", '`299 - "..."`: the icon has another name in Lucide now; it is kept as sent.', 200, 201
)
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="Change it only if this is still its `ETag`; `*` for any."
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="Answer 304 without a body if this is still its `ETag`."
)
CODE = OpenApiParameter(
    "code",
    str,
    OpenApiParameter.PATH,
    pattern=CODE_PATTERN,
    description=f"For example `project`. Words of the API's own paths are no codes: {', '.join(RESERVED_CODES)}.",
)
TAG = OpenApiParameter(
    "tag",
    str,
    description="Only those of a tag: `under:project` is project and everything inside it, `above:task` is task and"
    " everything it is inside of, however deep.",
)
CODES = OpenApiParameter(
    "codes",
    {"type": "array", "items": {"type": "string", "pattern": CODE_PATTERN}, "maxItems": 200},
    OpenApiParameter.QUERY,
    style="form",
    explode=False,
    description="Only these, for example `project,task`; not together with `include_inactive`.",
)
CHILDREN = _flag("children", "One more field, `children`: the documents of the active children, in order.")
INCLUDE_INACTIVE = _flag("include_inactive", "Inactive ones too, read from the database.")

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
    summary="All entity types with what there is to set",
    description=f"Every entity type, active or not, in display order, {_ROW}",
    parameters=[X_CACHE, RETRY_AFTER],
    responses={200: EntityRowSerializer(many=True), **errors(400, 401, 503)},
    examples=[ROW],
)

read_row = extend_schema(
    operation_id="read_entity_row",
    tags=["writing"],
    summary="One entity type with what there is to set",
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
    description="Needs the permission to change entity types. `append` puts codes behind those that are there, each "
    "once; appends at the same time lose none. `replace` sets the whole list, which must name each code once.",
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
        _flag("purge", "Remove it for good."),
        _flag("detach", "Take it out of the entity types that list it."),
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
