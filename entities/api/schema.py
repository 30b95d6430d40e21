"""
How the OpenAPI document describes the API: views by their docstrings, and what `describe` adds to them; requests,
responses and refusals by the bodies here.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, OpenApiResponse, extend_schema
from rest_framework import serializers

from entities.api.parameters import CODE, IF_MATCH, RETRY_AFTER
from entities.api.serializers import ChildrenSerializer, EntityFieldsSerializer, EntityRowSerializer, EntitySerializer
from entities.documents import document_of, encode
from entities.fields import NOT_IN_DOCUMENT
from entities.models import Entity
from entities.texts import DIRECTION_OVERRIDES, INVISIBLE, validate_readable

View = TypeVar("View", bound=Callable[..., Any])

_CONTROL = rf"\u0000-\u001f\u007f-\u009f\u2028\u2029{DIRECTION_OVERRIDES}"
_WITHIN_16_BITS = r"\u0000" + INVISIBLE.partition(r"\U")[0]
"""JSON Schema patterns have no characters beyond."""


def describe(
    tag: str, parameters: Sequence[OpenApiParameter], responses: Mapping[int, Any], *others: int, takes: Any = None
) -> Callable[[View], View]:
    """
    Describe an operation of a viewset, named like its method: a docstring's first line is the summary, what follows the
    description.

    Args:
        others: the statuses of further responses, besides those that follow from what it takes.
        takes: the body of requests.
    """
    follows = {401, 503, *others} | ({413, 415} if takes else set())
    follows |= {status for parameter, status in ((CODE, 404), (IF_MATCH, 412)) if parameter in parameters}

    def decorate(view: View) -> View:
        summary, _, description = str(view.__doc__).strip().partition(".\n")
        return extend_schema(
            operation_id=view.__name__,
            summary=summary,
            description=" ".join(description.split()),
            tags=[tag],
            parameters=[*parameters, RETRY_AFTER],
            request=takes,
            responses={**responses, **errors(*sorted(follows))},
        )(view)

    return decorate


class StrictSerializerSchema(OpenApiSerializerExtension):
    """Says that unknown fields are rejected."""

    target_class = "entities.api.serializers.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return schema | {"additionalProperties": False}


class TextFieldSchema(OpenApiSerializerFieldExtension):
    """Describes the model's validator as "readable"."""

    target_class = "entities.api.serializers.TextField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True)
        if validate_readable in self.target.validators:
            seen = "" if self.target.allow_blank else f"[^{_WITHIN_16_BITS}][^{_CONTROL}]*"
            schema["pattern"] = f"^[^{_CONTROL}]*{seen}$"
        return schema


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
PROJECT: dict[str, Any] = msgspec.json.decode(encode(document_of(_PROJECT)))
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
