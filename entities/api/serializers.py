"""
The format of requests and responses. Field rules come from the model's own validators.

Requests are parsed strictly: no unknown fields, no number for a string, no string for a number or a flag.
"""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError as ModelValidationError
from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from entities.codes import CODE_PATTERN
from entities.documents import EntityDocument
from entities.fields import NOT_IN_DOCUMENT, SETTABLE
from entities.models import Entity, validate_children_shape
from entities.texts import compose
from entities.words.plurals import suggest_plural


class TextField(serializers.CharField):
    """Text, composed before its length is checked."""

    def to_internal_value(self, data: Any) -> str:
        return str(compose(super().to_internal_value(data)))


@extend_schema_field({"type": "array", "items": {"type": "string", "pattern": CODE_PATTERN}})
class ChildrenField(serializers.JSONField):
    """A list of entity codes, checked by the model's validators."""


JSON_TYPES = {serializers.CharField: str, serializers.IntegerField: int, serializers.BooleanField: bool}


class StrictSerializer(serializers.Serializer[Any]):
    """Rejects unknown fields and JSON of another type than a field's, by name, together with all other errors."""

    def to_internal_value(self, data: Any) -> Any:
        given = data if isinstance(data, Mapping) else {}
        errors: dict[str, Any] = {
            name: ["This field is unknown or cannot be set."] for name in sorted(given.keys() - self.fields.keys())
        }
        for name, field in self.fields.items():
            wanted = next((kind for parent, kind in JSON_TYPES.items() if isinstance(field, parent)), None)
            if wanted and given.get(name) is not None and type(given[name]) is not wanted:
                errors[name] = [field.error_messages["invalid"]]
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            raise ValidationError({**serializers.as_serializer_error(error), **errors}) from error
        if errors:
            raise ValidationError(errors)
        return values


class EntitySerializer(serializers.ModelSerializer[Entity]):
    """One entity type: the document that is in Redis."""

    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {
        models.CharField: TextField,
        models.TextField: TextField,
        models.JSONField: ChildrenField,
    }

    class Meta:
        model = Entity
        fields = EntityDocument.__struct_fields__
        read_only_fields = fields


class EntityRowSerializer(EntitySerializer):
    """The document's fields, and the other fields that can be set."""

    class Meta(EntitySerializer.Meta):
        fields = (*EntitySerializer.Meta.fields, *NOT_IN_DOCUMENT)
        read_only_fields = fields


class EntityFieldsSerializer(StrictSerializer, EntitySerializer):
    """The fields of an entity type that can be set."""

    class Meta:
        model = Entity
        fields = ("code", *SETTABLE)
        extra_kwargs = {  # noqa: RUF012 - as DRF declares it
            "code": {"trim_whitespace": False},
            "display_order": {
                "help_text": "Smaller numbers come first in lists; without one it comes last. Not part of the document:"
                " `GET entity/{code}` has it."
            },
            "label_plural": {"required": False, "help_text": "The label's regular plural unless given."},
            "active_flag": {"help_text": "Inactive entity types are hidden from readers; true unless given."},
        }

    def validate_code(self, code: str) -> str:
        if self.instance is not None and code != self.instance.code:
            raise ValidationError("The code never changes.")
        return code

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "child_entity_codes" in attrs:
            code = self.instance.code if self.instance is not None else attrs["code"]
            Entity(code=code, child_entity_codes=attrs["child_entity_codes"]).clean()
        if self.instance is None and "label_plural" not in attrs:
            attrs["label_plural"] = suggest_plural(attrs["label"])
            try:
                Entity._meta.get_field("label_plural").run_validators(attrs["label_plural"])
            except ModelValidationError as error:
                raise ValidationError({"label_plural": ["Give it: the label's regular plural is too long."]}) from error
        return attrs


class ChildrenSerializer(StrictSerializer):
    """A change of an entity type's children."""

    child_entity_codes = ChildrenField(help_text="Existing entity codes, in display order.")
    mode = serializers.ChoiceField(
        choices=[
            ("append", "after the existing children; those already listed stay where they are"),
            ("replace", "in place of the existing children"),
        ],
        default="append",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        codes = attrs["child_entity_codes"]
        try:
            validate_children_shape(codes)
        except ModelValidationError as error:
            if error.code != "repeated_children" or attrs["mode"] != "append":
                raise ModelValidationError({"child_entity_codes": error}) from error
        Entity(code=self.context["code"], child_entity_codes=list(dict.fromkeys(codes))).clean()
        return attrs
