"""What stands in a cell of a file, and what it means."""

from __future__ import annotations

import re
from typing import Any

from import_export import widgets

from entities.files.flags import parse_flag
from entities.texts import compose

LARGEST_NUMBER = 2**31 - 1


class TextCell(widgets.Widget):  # type: ignore[misc] # import-export has no types
    """A value of a file, which may be text although it stands for something else."""

    def clean(self, value: Any, row: Any = None, **_: Any) -> Any:
        return self.as_text(value)

    def as_text(self, value: Any) -> str:
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # a spreadsheet's number
        if value is None or isinstance(value, str):
            return str(compose(value or ""))
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise ValueError("Give text.")

    def render(self, value: Any, obj: Any = None, **_: Any) -> Any:
        return value


class ChildrenCell(TextCell):
    """A list of codes, or codes with commas or spaces between them."""

    def clean(self, value: Any, row: Any = None, **_: Any) -> Any:
        if isinstance(value, list):
            return value
        return [code for code in re.split(r"[\s,]+", self.as_text(value)) if code]


class NumberCell(TextCell):
    """A whole number."""

    def clean(self, value: Any, row: Any = None, **_: Any) -> int:
        text = self.as_text(value).strip()
        if not re.fullmatch(r"-?[0-9]{1,10}", text) or abs(int(text)) > LARGEST_NUMBER:
            raise ValueError(f"Give a whole number between -{LARGEST_NUMBER} and {LARGEST_NUMBER}.")
        return int(text)


class FlagCell(TextCell):
    """True or false."""

    def clean(self, value: Any, row: Any = None, **_: Any) -> bool:
        return value if isinstance(value, bool) else parse_flag(self.as_text(value))


CELLS: dict[str, type[TextCell]] = {
    "child_entity_codes": ChildrenCell,
    "display_order": NumberCell,
    "active_flag": FlagCell,
}
