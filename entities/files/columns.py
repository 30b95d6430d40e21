"""The columns of a file: the headings people use for them, and what their cells mean."""

import functools
import gettext
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django import conf
from import_export import widgets

from entities.fields import SETTABLE, field_of, python_type
from entities.texts import compose

COLUMNS = ("code", *SETTABLE)
SMALLEST_NUMBER, LARGEST_NUMBER = -(2**31), 2**31 - 1
_TRUE = "true yes 1 wahr vrai verdadero vero verdadeiro waar sand sann sant tosi prawda pravda igaz истина doğru"
_FALSE = "false no 0 falsch faux falso onwaar falsk usann falskt epätosi fałsz nepravda hamis ложь yanlış"  # noqa: RUF001 - Turkish
"""In English, and as Excel has them in its other languages; no library we have knows them."""
_WORDS = dict.fromkeys(_TRUE.split(), True) | dict.fromkeys(_FALSE.split(), False)


def column_of(heading: str) -> str:
    """The column a heading means: in any case, with spaces, or by the form's label; else the heading itself."""
    return _HEADINGS.get(_plain(heading), heading)


def _plain(heading: str) -> str:
    return re.sub(r"[\s_]+", " ", heading).strip().casefold()


_HEADINGS = {
    "children": "child_entity_codes",
    **{_plain(str(field_of(name).verbose_name)): name for name in COLUMNS},
    **{_plain(name): name for name in COLUMNS},
}


class Cell(widgets.Widget):  # type: ignore[misc] # import-export has no types
    """
    Reads a column's cells, which may be text even if it stands for something else; files take values as they are.

    Attributes:
        may_be_empty: an empty cell is a value, NULL if the field may be that; otherwise it leaves the field unchanged.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        field = field_of(name)
        self.may_be_null = field.null
        self.read = READERS[python_type(field)]
        self.may_be_empty = field.null or self.read in (read_text, read_children)

    def clean(self, value: Any, row: Any = None, **_: Any) -> Any:
        return None if self.may_be_null and value in (None, "") else self.read(value)

    def render(self, value: Any, obj: Any = None, **_: Any) -> Any:
        return value


def read_text(value: Any) -> str:
    """Text, and numbers as people write them."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # spreadsheets store it as a float
    if value is None or isinstance(value, str):
        return str(compose(value or ""))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError("Give text.")


def read_children(value: Any) -> list[str]:
    """A list of codes, or codes separated by commas or spaces."""
    return value if isinstance(value, list) else [code for code in re.split(r"[\s,]+", read_text(value)) if code]


def read_number(value: Any) -> int:
    """A whole number that PostgreSQL can store."""
    text = read_text(value).strip()
    if not re.fullmatch(r"-?[0-9]{1,10}", text) or not SMALLEST_NUMBER <= int(text) <= LARGEST_NUMBER:
        raise ValueError(f"Give a whole number between {SMALLEST_NUMBER} and {LARGEST_NUMBER}.")
    return int(text)


def read_flag(value: Any) -> bool:
    """True or false, also in English, in Excel's words, or in Django's translations of yes and no."""
    if isinstance(value, bool):
        return value
    word = read_text(value).strip().casefold()
    known = _WORDS if word in _WORDS else _translations()
    if word not in known:
        raise ValueError("Give true or false.")
    return known[word]


@functools.cache
def _translations() -> Mapping[str, bool]:
    """Yes and no in all of Django's languages; words that mean yes in one and no in another are left out."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for file in (Path(conf.__file__).parent / "locale").glob("*/LC_MESSAGES/django.mo"):
        with file.open("rb") as opened:
            translated = gettext.GNUTranslations(opened).gettext
        short = translated("yes,no,maybe").split(",")
        found[True] |= {word.strip().casefold() for word in (translated("Yes"), *short[:1])}
        found[False] |= {word.strip().casefold() for word in (translated("No"), *short[1:2])}
    return {word: flag for flag, words in found.items() for word in words - found[not flag]}


READERS: dict[Any, Callable[[Any], Any]] = {str: read_text, int: read_number, bool: read_flag, list[str]: read_children}
"""By the type of a field's values."""

CELLS = {name: Cell(name) for name in COLUMNS}
