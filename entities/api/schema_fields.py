"""Describes our serializers and fields in the OpenAPI document where drf-spectacular cannot infer it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema

from entities.texts import DIRECTION_OVERRIDES, INVISIBLE, validate_readable

_CONTROL = rf"\u0000-\u001f\u007f-\u009f\u2028\u2029{DIRECTION_OVERRIDES}"
_WITHIN_16_BITS = r"\u0000" + INVISIBLE.partition(r"\U")[0]
"""JSON Schema patterns have no characters beyond."""


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
