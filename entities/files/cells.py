"""Converts between the cells of a file and field values."""

from __future__ import annotations

import re
from typing import Any

from import_export import widgets

from entities.fields import field_of, python_type
from entities.files.flags import parse_flag
from entities.texts import compose

SMALLEST_NUMBER, LARGEST_NUMBER = -(2**31), 2**31 - 1


class TextCell(widgets.Widget):  # type: ignore[misc] # import-export has no types
    """
    A value in a file, which may be text even if it stands for something else.

    Attributes:
        may_be_null: an empty cell is NULL.
        may_be_empty: an empty cell is a value; otherwise it leaves the field unchanged.
    """

    may_be_empty = True

    def __init__(self, *, may_be_null: bool = False) -> None:
        super().__init__()
        self.may_be_null = may_be_null
        self.may_be_empty = may_be_null or self.may_be_empty

    def clean(self, value: Any, row: Any = None, **_: Any) -> Any:
        return None if self.may_be_null and value in (None, "") else self.read(value)

    def read(self, value: Any) -> Any:
        return self.as_text(value)

    def as_text(self, value: Any) -> str:
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # spreadsheets store it as a float
        if value is None or isinstance(value, str):
            return str(compose(value or ""))
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise ValueError("Give text.")

    def render(self, value: Any, obj: Any = None, **_: Any) -> Any:
        return value


class ChildrenCell(TextCell):
    """A list of codes, or codes separated by commas or spaces."""

    def read(self, value: Any) -> Any:
        if isinstance(value, list):
            return value
        return [code for code in re.split(r"[\s,]+", self.as_text(value)) if code]


class NumberCell(TextCell):
    """A whole number."""

    may_be_empty = False

    def read(self, value: Any) -> int:
        text = self.as_text(value).strip()
        if not re.fullmatch(r"-?[0-9]{1,10}", text) or not SMALLEST_NUMBER <= int(text) <= LARGEST_NUMBER:
            raise ValueError(f"Give a whole number between {SMALLEST_NUMBER} and {LARGEST_NUMBER}.")
        return int(text)


class FlagCell(TextCell):
    """True or false."""

    may_be_empty = False

    def read(self, value: Any) -> bool:
        return value if isinstance(value, bool) else parse_flag(self.as_text(value))


CELLS: dict[Any, type[TextCell]] = {str: TextCell, int: NumberCell, bool: FlagCell, list[str]: ChildrenCell}
"""Cells by the type of a field's values."""


def cell_of(name: str) -> TextCell:
    """The cell for a field."""
    field = field_of(name)
    return CELLS[python_type(field)](may_be_null=field.null)
