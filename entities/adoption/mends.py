"""An obstacle to an adoption, in one line, and the SQL that mends it, for a person to run: shown, never run by us."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from entities.adoption.table import NAME
from entities.codes import RESERVED_CODES, is_code
from entities.texts import DIRECTION_OVERRIDES, INVISIBLE_ALONE, UNREADABLE


@dataclass(frozen=True)
class Problem:
    """Where it is, which rule is broken, and the mend: SQL, which ends with a semicolon, or words."""

    where: str
    rule: str
    mend: str
    warning: bool = False

    def __str__(self) -> str:
        is_sql = self.mend.endswith(";") and not self.warning
        return f"{self.where}: {self.rule}. {'Mend: ' if is_sql else ''}{self.mend}"


def quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """An SQL literal on one line, without terminal control characters; PostgreSQL reads JSON's escapes."""
    if text.isprintable() and "\\" not in text:
        return "'" + text.replace("'", "''") + "'"
    return "E'" + json.dumps(text)[1:-1].replace("'", "''") + "'"


FILLINGS = {
    "entity_type": "code",
    "label": "initcap(replace(code, '_', ' '))",
    "label_plural": "label || 's'",
    "icon": "'Box'",
    "child_entity_codes": "'[]'",
    "display_order": "0",
    "active_flag": "true",
}


_PLACES = {"label": FILLINGS["label"], "label_plural": f"{FILLINGS['label']} || 's'", "entity_type": "code"}
TEXTS = tuple(_PLACES)
"""The texts that a platform's table has before it is taken over."""
TEXTS_BROKEN = " OR ".join(f"{name} IS NOT NFC NORMALIZED OR {name} ~ '{UNREADABLE}'" for name in TEXTS)


def _mend_text(name: str) -> str:
    without = f"regexp_replace({name}, '[{DIRECTION_OVERRIDES}]', '', 'g')"
    seen = f"nullif(regexp_replace({without}, '{INVISIBLE_ALONE}', ''), '')"
    return f"{name} = CASE {name} WHEN '' THEN '' ELSE normalize(coalesce({seen}, {_PLACES[name]})) END"


TEXTS_MENDED = ", ".join(map(_mend_text, TEXTS))
"""Composed, without direction overrides; if nothing visible is left, the code."""


def fill(column: str) -> str:
    """Give a column a value where it is NULL."""
    if column == "code":
        return f"DELETE FROM {NAME} WHERE code IS NULL;"
    return f"UPDATE {NAME} SET {column} = {FILLINGS.get(column, 'now()')} WHERE {quote_name(column)} IS NULL;"


def set_children(code: str, children: Any, known: set[str]) -> str:
    """Reduce a row's children to existing entity types, each once, in their order."""
    if isinstance(children, str):
        with suppress(ValueError):
            children = json.loads(children)
    listed = children if isinstance(children, list) else []
    kept = list(dict.fromkeys(child for child in listed if isinstance(child, str) and child in known))
    return _update(code, f"child_entity_codes = {quote_text(json.dumps(kept))}")


def _mend_texts(code: str, _: set[str]) -> str:
    return _update(code, TEXTS_MENDED)


def _mend_times(code: str, _: set[str]) -> str:
    possible = "CASE WHEN {0} BETWEEN '0001-01-02Z' AND '9999-12-30Z' THEN {0} ELSE now() END"
    return _update(code, ", ".join(f"{name} = {possible.format(name)}" for name in ("created_ts", "modified_ts")))


def _rename(code: str, codes: set[str]) -> str:
    """Rename the code, in the children of other rows too; other references are the platform's to update."""
    better = re.sub(r"[^a-z0-9]+", "_", code.lower()).strip("_")[:50]
    if code in RESERVED_CODES:
        better = f"{code}_type"
    if not is_code(better) or better in codes:
        return "Give it another code, and change it where it is listed or referred to"
    old, new = (quote_text(json.dumps(each, ensure_ascii=False)) for each in (code, better))
    lists = (
        f"UPDATE {NAME} SET child_entity_codes = (SELECT jsonb_agg(CASE child WHEN {old} THEN {new} ELSE child END"
        f" ORDER BY place) FROM jsonb_array_elements(child_entity_codes) WITH ORDINALITY AS listed (child, place))"
        f" WHERE child_entity_codes @> {old};"
    )
    return f"{_update(code, f'code = {quote_text(better)}')} {lists}"


def _update(code: str, changes: str) -> str:
    return f"UPDATE {NAME} SET {changes} WHERE code = {quote_text(code)};"


RULES: dict[str, tuple[str, Callable[[str, set[str]], str]]] = {
    "entity_code_pattern": (
        "the code is not a lower-case letter, then lower-case letters, digits or _, 50 at most",
        _rename,
    ),
    "entity_code_not_reserved": ("the code is a word of the API's own paths", _rename),
    "entity_texts_composed": ("a label or the entity type is not in Unicode's composed form (NFC)", _mend_texts),
    "entity_texts_readable": (
        "a label or the entity type has overrides of the direction, or nothing that can be seen",
        _mend_texts,
    ),
    "entity_times": ("a time is not between the years 1 and 9999", _mend_times),
}
"""What each constraint demands, in words, and what mends a row: its code, and the codes of all."""
