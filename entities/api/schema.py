"""How the OpenAPI document describes the views: by their docstrings, and what `describe` adds to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_doc
from drf_spectacular.utils import OpenApiParameter, extend_schema

from entities.api.bodies import errors
from entities.api.parameters import CODE, IF_MATCH, RETRY_AFTER
from entities.texts import DIRECTION_OVERRIDES, INVISIBLE, validate_readable

View = TypeVar("View", bound=Callable[..., Any])

_CONTROL = rf"\u0000-\u001f\u007f-\u009f\u2028\u2029{DIRECTION_OVERRIDES}"
_WITHIN_16_BITS = r"\u0000" + INVISIBLE.partition(r"\U")[0]
"""JSON Schema patterns have no characters beyond."""


class Schema(AutoSchema):
    """
    An operation is named like its view's method. The first line of the docstring is its summary, what follows its
    description.
    """

    view: Any

    def get_operation_id(self) -> str:
        return str(self.view.action)

    def get_summary(self) -> str:
        return self._docstring().partition(".\n")[0]

    def get_description(self) -> str:  # type: ignore[override] # as in the class itself
        return " ".join(self._docstring().partition(".\n")[2].split())

    def _docstring(self) -> str:
        return str(get_doc(getattr(self.view, self.view.action)))


def describe(
    tag: str, parameters: Sequence[OpenApiParameter], responses: Mapping[int, Any], *others: int, takes: Any = None
) -> Callable[[View], View]:
    """
    Describe an operation of a viewset.

    Args:
        others: the statuses of further responses, besides those that follow from what it takes.
        takes: the body of requests.
    """
    follows = {401, 503, *others} | ({413, 415} if takes else set())
    follows |= {status for parameter, status in ((CODE, 404), (IF_MATCH, 412)) if parameter in parameters}
    described: Callable[[View], View] = extend_schema(
        tags=[tag],
        parameters=[*parameters, RETRY_AFTER],
        request=takes,
        responses={**responses, **errors(*sorted(follows))},
    )
    return described


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
            seen = "" if self.target.allow_blank else f"[^{_WITHIN_16_BITS}]"
            schema["pattern"] = f"^[^{_CONTROL}]*{seen}[^{_CONTROL}]*$" if seen else f"^[^{_CONTROL}]*$"
        return schema
