"""Text typed by people: in one Unicode form, visible, and without direction overrides."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

if TYPE_CHECKING:
    CharField = models.CharField[str, str]
else:
    CharField = models.CharField

# Python and PostgreSQL agree on the classes below; on `\x` they do not.
DIRECTION_OVERRIDES = r"\u202a-\u202e\u2066-\u2069"
"""With one of these, text displays differently from how it is written; see CVE-2021-42574, "Trojan Source"."""

INVISIBLE = (
    r"\u0001-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f"
    r"\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Unicode's White_Space and Default_Ignorable_Code_Point, control characters, and the empty Braille cell."""

INVISIBLE_ALONE = f"^[{INVISIBLE}]+$"
UNREADABLE = f"{INVISIBLE_ALONE}|[{DIRECTION_OVERRIDES}]"
"""For PostgreSQL, which accepts empty text: platforms have some."""

_REFUSED = re.compile(rf"[\x00{DIRECTION_OVERRIDES}\ud800-\udfff]")
"""What PostgreSQL refuses as well."""
_CONTROL = re.compile(r"[\x01-\x1f\x7f-\x9f\u2028\u2029]")
_INVISIBLE_ALONE = re.compile(INVISIBLE_ALONE.replace("$", r"\Z"))  # `$` also matches before a final newline


def validate_readable(text: str) -> None:
    """Reject control characters, direction overrides included, and text with nothing visible."""
    for characters, code in ((_REFUSED, "refused_characters"), (_CONTROL, "control_characters")):
        if characters.search(text):
            raise ValidationError("Control characters are not allowed.", code=code)
    if _INVISIBLE_ALONE.match(text):
        raise ValidationError("Nothing in this is visible.", code="invisible")


def compose(value: Any) -> Any:
    """Text in Unicode's composed form (NFC): `é` is one character, however it was typed. Other values unchanged."""
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


class ComposedFormField(forms.CharField):
    """Composes before it checks the length."""

    def to_python(self, value: Any) -> Any:
        return compose(super().to_python(value))


class ComposedCharField(CharField):
    """A `CharField` whose text is always composed."""

    def to_python(self, value: Any) -> Any:
        return compose(super().to_python(value))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = compose(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": ComposedFormField, **kwargs})
