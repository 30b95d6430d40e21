"""SQL that mends a row, for a person to run: shown, never run by us."""

from __future__ import annotations

import json
import re
from typing import Any

from entities.adoption.problem import quote_name, quote_text
from entities.adoption.table import NAME
from entities.codes import RESERVED_CODES, is_code
from entities.texts import DIRECTION_OVERRIDES, INVISIBLE_ALONE, UNREADABLE

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
        try:
            children = json.loads(children)
        except ValueError:
            children = []
    listed = children if isinstance(children, list) else []
    kept = list(dict.fromkeys(child for child in listed if isinstance(child, str) and child in known))
    return f"UPDATE {NAME} SET child_entity_codes = {quote_text(json.dumps(kept))} WHERE code = {quote_text(code)};"


def of_rule(constraint: str, code: str, codes: set[str]) -> str:
    """The mend for a broken constraint, as SQL or in words."""
    if constraint == "entity_times":
        columns = [
            f"{column} = CASE WHEN {column} BETWEEN '0001-01-02Z' AND '9999-12-30Z' THEN {column} ELSE now() END"
            for column in ("created_ts", "modified_ts")
        ]
        return f"UPDATE {NAME} SET {', '.join(columns)} WHERE code = {quote_text(code)};"
    if constraint in ("entity_texts_composed", "entity_texts_readable"):
        return f"UPDATE {NAME} SET {TEXTS_MENDED} WHERE code = {quote_text(code)};"
    if constraint in ("entity_code_pattern", "entity_code_not_reserved"):
        return _rename(code, codes)
    return "Change it so that it holds"


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
    return f"UPDATE {NAME} SET code = {quote_text(better)} WHERE code = {quote_text(code)}; {lists}"
