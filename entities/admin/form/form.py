"""The admin's form for one entity type."""

import difflib
from itertools import count
from typing import Any, Self

from django import forms
from django.core.exceptions import ValidationError

from entities.admin.form.conflicts import STARTED_FROM, Conflict, find_conflict, merge, read_values, sign_values
from entities.admin.widgets import PLURAL_WIDGET, ChildrenWidget, IconWidget
from entities.codes import MAX_LENGTH, RESERVED_CODES, derive_code
from entities.fields import SETTABLE, values_of
from entities.files.columns import read_children
from entities.models import Entity
from entities.words.icons import component_name, current_name, icon_names
from entities.words.plurals import suggest_plural


class ChildrenField(forms.Field):
    """Codes in display order, separated by commas or spaces; the model checks that they exist."""

    widget = ChildrenWidget

    def to_python(self, value: Any) -> list[str]:
        return read_children(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return read_children(initial) != read_children(data)


class EntityForm(forms.ModelForm):  # type: ignore[type-arg] # it takes none at run time
    """One entity type, with help for choosing icon, plural and children."""

    child_entity_codes = ChildrenField(
        label="Children", required=False, help_text="The entity types shown inside this one, in display order."
    )

    class Meta:
        model = Entity
        fields = (*SETTABLE, "code")
        widgets = {"icon": IconWidget(), "label_plural": PLURAL_WIDGET}  # noqa: RUF012 - Django's own way
        help_texts = {  # noqa: RUF012 - Django's own way
            "label_plural": "Left empty, it is the regular plural of the label.",
            "icon": "The name of an icon from lucide.dev, such as FolderKanban or folder-kanban.",
            "display_order": "Lists show small numbers first. Left empty, it comes last.",
            "active_flag": "Inactive entity types are hidden from programs, and can be activated again.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        added = self.instance._state.adding
        self.current = None if added else values_of(self.instance)
        self.conflict: Conflict | None = None
        if "label_plural" in self.fields:  # missing if the user may only view
            self.fields["label_plural"].required = False
        if added and self.fields:
            self.fields["display_order"].required = self.fields["code"].required = False
            self.fields["code"].help_text = f"Left empty, it is made from the label. {self.fields['code'].help_text}"
            self.fields["code"].widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}

    @property
    def started_from(self) -> str:
        """The values this form was made from: as submitted, or the current row's."""
        sent: str = self.data.get(STARTED_FROM, "")
        return sent or (sign_values(self.current) if self.current else "")

    def clean(self) -> dict[str, Any] | None:
        """Offer to merge if somebody else changed the row since this form was made."""
        cleaned = super().clean()
        if self.current is None or not self.data.get(STARTED_FROM):
            return cleaned
        self.conflict = find_conflict(self, read_values(self.data[STARTED_FROM]), self.current)
        if self.conflict:
            self.data = merge(self.data, self.conflict, self.current)
            theirs = self.conflict.names("theirs")
            self.cleaned_data |= {name: value for name, value in self.current.items() if name in theirs}
            for name in self.conflict.names("both"):
                self.add_error(name, ValidationError("Somebody else changed this too.", code="conflict"))
            raise ValidationError(
                "Not saved yet: somebody else changed this entity type while you edited it.", code="conflict"
            )
        return cleaned

    def as_offered(self) -> Self:
        """The form that a conflict offers, as it will be validated when submitted again."""
        return type(self)(self.data, instance=Entity.objects.filter(pk=self.instance.pk).first() or self.instance)

    def clean_label_plural(self) -> str:
        return self.cleaned_data["label_plural"] or suggest_plural(self.cleaned_data.get("label", ""))

    def clean_code(self) -> str:
        """The code as typed, or derived from the label; it never changes afterwards."""
        label = self.cleaned_data.get("label", "")
        code: str = self.cleaned_data["code"] or free_code(label)
        if label and not code:
            raise ValidationError("Give a code: the label has no letter from a to z to make one from.", code="no_code")
        return code

    def clean_icon(self) -> str:
        """The component name; lucide.dev's spelling, `folder-kanban`, works too. Former names stay as typed."""
        name: str = self.cleaned_data["icon"]
        for spelling in (name, component_name(name.lower())):
            if current_name(spelling):
                return spelling
        close = difflib.get_close_matches(component_name(name), icon_names(), n=3)
        hint = f"Did you mean {' or '.join(close)}?" if close else "Its icons are shown on lucide.dev."
        raise ValidationError(
            'Lucide has no icon called "%(name)s". %(hint)s', code="unknown_icon", params={"name": name, "hint": hint}
        )


def free_code(label: str) -> str:
    """The code for a new type with this label, with a number appended if it is taken or reserved."""
    code = derive_code(label)
    if not code:
        return ""
    similar = Entity.objects.filter(code__startswith=code[: MAX_LENGTH - 4])
    taken = {*RESERVED_CODES, *similar.values_list("code", flat=True)}
    numbered = (f"{code[: MAX_LENGTH - len(ending)]}{ending}" for ending in (f"_{each}" for each in count(2)))
    return code if code not in taken else next(each for each in numbered if each not in taken)
