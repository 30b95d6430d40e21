"""Errors in a file's rows, and the other rows that cannot be imported because of them."""

from collections import defaultdict
from collections.abc import Container, Iterator
from typing import Any, NamedTuple

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from entities.files.formats import MISSING

MAX_VALUE_LENGTH = 60


class Problem(NamedTuple):
    """`value` is the file's value; `column` is empty if it concerns the whole row."""

    row: int
    column: str
    value: str
    text: str

    def __str__(self) -> str:
        given = f" (given: {self.value})" if self.value else ""
        return f"Row {self.row}{f', {self.column}' if self.column else ''}: {self.text}{given}"


def find_problems(result: Any) -> Iterator[Problem]:
    """The errors, row by row."""
    for row in result.rows:
        for name, texts in row.validation_error.message_dict.items() if row.validation_error else ():
            column = "" if name == NON_FIELD_ERRORS else name
            yield from (Problem(row.number, column, _as_given(row.row_values.get(name)), text) for text in texts)
        yield from (Problem(row.number, "", "", str(each.error)) for each in row.errors)


def leave_out_dependents(result: Any, existing: Container[str]) -> None:
    """Also mark rows as wrong whose children would be removed, or are new and wrong themselves, however indirectly."""
    listing = defaultdict(list)
    good, wrong = set(), set()
    for row in result.rows:
        if not row.is_valid():
            wrong.add(str(row.row_values.get("code")))
            continue
        good.add(row.instance.code)
        for code in row.instance.child_entity_codes:
            listing[code].append(row)
        if gone := [code for code in row.instance.child_entity_codes if code in result.removed]:
            _call_wrong(result, row, f"{', '.join(gone)} would be removed.")
    absent = [code for code in wrong - good if code not in existing]
    while absent:
        child = absent.pop()
        for row in listing[child]:
            if row.is_valid():
                _call_wrong(result, row, f"The row of “{child}” is wrong.")
                absent += [] if row.instance.code in existing else [row.instance.code]


def reclassify(result: Any, row: Any, kind: str) -> None:
    """Have an import do something else with a row."""
    result.totals[row.import_type] -= 1
    result.totals[kind] += 1
    row.import_type = kind


def _call_wrong(result: Any, row: Any, text: str) -> None:
    reclassify(result, row, row.IMPORT_TYPE_INVALID)
    row.validation_error = ValidationError({"child_entity_codes": [text]})


def _as_given(value: Any) -> str:
    if value is MISSING or value is None:
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[: MAX_VALUE_LENGTH - 3]}..."
