"""Requests and responses as the OpenAPI document describes and shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from drf_spectacular.utils import OpenApiExample, OpenApiRequest, OpenApiResponse
from rest_framework import serializers

from entities.api.serializers import ChildrenSerializer, EntityFieldsSerializer, EntityRowSerializer, EntitySerializer
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
    """How many cached entries were dropped."""

    invalidated = serializers.IntegerField()


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
_SHOWN = [OpenApiExample("project", PROJECT)]
_SHOWN_ROW = [OpenApiExample("project", PROJECT | {name: getattr(_PROJECT, name) for name in NOT_IN_DOCUMENT})]
_ENTITY = {"$ref": "#/components/schemas/Entity"}

DOCUMENT = OpenApiResponse(EntitySerializer, examples=_SHOWN)
DOCUMENTS = OpenApiResponse(EntitySerializer(many=True), examples=_SHOWN)
WITH_CHILDREN = OpenApiResponse(
    {"allOf": [_ENTITY, {"type": "object", "properties": {"children": {"type": "array", "items": _ENTITY}}}]},
    examples=_SHOWN,
)
ROW = OpenApiResponse(EntityRowSerializer, examples=_SHOWN_ROW)
ROWS = OpenApiResponse(EntityRowSerializer(many=True), examples=_SHOWN_ROW)
REMOVED = {
    200: OpenApiResponse(
        EntitySerializer,
        "Deactivated (or was inactive before).",
        [OpenApiExample("deactivated", PROJECT | {"active_flag": False})],
    ),
    204: OpenApiResponse(description="Purged."),
}


def _request(serializer: Any, **examples: dict[str, Any]) -> OpenApiRequest:
    return OpenApiRequest(serializer, examples=[OpenApiExample(name, value) for name, value in examples.items()])


_LABELS = {name: PROJECT[name] for name in ("label", "label_plural")}
NEW = _request(
    EntityFieldsSerializer,
    project={
        "code": "project",
        **_LABELS,
        "icon": "FolderKanban",
        "child_entity_codes": ["task", "wiki"],
        "display_order": 5,
    },
)
CHANGE = _request(EntityFieldsSerializer, rename=_LABELS)
CHANGE_OF_CHILDREN = _request(
    ChildrenSerializer,
    append={"child_entity_codes": ["risk", "issue"]},
    replace={"child_entity_codes": ["task"], "mode": "replace"},
)

_LISTED = OpenApiExample(
    "listed",
    {"code": "listed_by_parents", "detail": "task is still listed as a child of: project.", "errors": {}}
    | {"parents": ["project"]},
)
ERRORS = {
    304: OpenApiResponse(description="Not changed."),
    400: OpenApiResponse(ErrorSerializer, "The request is not valid, has no body, or is not JSON."),
    401: OpenApiResponse(ErrorSerializer, "No token, or one that is not valid, or no longer."),
    403: OpenApiResponse(ErrorSerializer, "The user lacks the permission."),
    404: OpenApiResponse(ErrorSerializer, "There is no such entity type."),
    409: OpenApiResponse(ListedSerializer, "Others still list it as a child; nothing was changed.", [_LISTED]),
    412: OpenApiResponse(ErrorSerializer, "It changed since the version that `If-Match` names; nothing was changed."),
    413: OpenApiResponse(ErrorSerializer, "The body is bigger than 1 MB."),
    415: OpenApiResponse(ErrorSerializer, "The body is not `application/json`."),
    429: OpenApiResponse(ErrorSerializer, "Too many failed logins; `Retry-After` says when to try again."),
    503: OpenApiResponse(
        ErrorSerializer, "An engine that is needed does not answer; `Retry-After` says when to retry."
    ),
}


def errors(*statuses: int) -> dict[int, OpenApiResponse]:
    """The descriptions of these responses."""
    return {status: ERRORS[status] for status in statuses}
