"""Finds rows that break a rule the database will enforce, and rows that forms would refuse."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from entities.adoption.mends import RULES, Problem, fill, quote_name, set_children
from entities.adoption.shape import FIELDS, FILLED_BY_TRIGGER
from entities.adoption.table import NAME, Table
from entities.models import Entity
from entities.words.icons import describe_former

SHOWN_ROWS = 20
"""Per rule."""
_WRONG_CHILDREN = f"""
    WITH listed AS (
        SELECT e.code, e.child_entity_codes::text AS children, l.child #>> '{{}}' AS child, count(*) AS times
        FROM {NAME} e CROSS JOIN jsonb_array_elements(
            CASE jsonb_typeof(e.child_entity_codes) WHEN 'array' THEN e.child_entity_codes END) AS l (child)
        WHERE jsonb_typeof(l.child) = 'string' GROUP BY 1, 2, 3)
    SELECT l.code, l.children, array_agg(l.child ORDER BY l.child) FILTER (WHERE known.code IS NULL),
        array_agg(l.child ORDER BY l.child) FILTER (WHERE known.code IS NOT NULL)
    FROM listed l LEFT JOIN {NAME} known ON known.code = l.child
    WHERE l.times > 1 OR known.code IS NULL GROUP BY 1, 2 ORDER BY 1
"""
"""With each row those of its children that are unknown, and those that it lists more than once."""


def find_row_problems(schema_editor: Any, table: Table) -> Iterator[Problem]:
    """What the database would refuse in a table of the right shape, in the order in which the mends can be run."""
    with schema_editor.connection.cursor() as cursor:
        for field in FIELDS:
            column = table.columns.get(field.column)
            if column and column.nullable and not field.null:
                yield from _find_nulls(cursor, field)
        if not table.has_unique_code:
            cursor.execute(f"SELECT code FROM {NAME} GROUP BY code HAVING count(*) > 1 ORDER BY code")
            mend = "Remove or rename all but one of them"
            doubled = (Problem(_row(code), "the code occurs more than once", mend) for (code,) in cursor)
            yield from shown(doubled)
        yield from _find_broken_constraints(cursor, schema_editor, table)


def find_wrong_children(connection: Any, table: Table) -> Iterator[Problem]:
    """The part that no constraint enforces: a trigger does, but it does not check existing rows."""
    if "child_entity_codes" not in table.columns:
        return
    with connection.cursor() as cursor:
        cursor.execute(_WRONG_CHILDREN)
        found = cursor.fetchall()
        codes = _all_codes(cursor) if found else set()
        yield from shown(_describe_wrong_children(row, codes) for row in found)


def find_warnings(connection: Any, table: Table) -> Iterator[Problem]:
    """What the database will accept and forms will not, including unknown icons."""
    with connection.cursor() as cursor:
        for field in FIELDS:
            if isinstance(field, models.CharField) and not field.primary_key and field.column in table.columns:
                cursor.execute(f"SELECT {field.column}, min(code), count(*) FROM {NAME} GROUP BY 1 ORDER BY 2")
                yield from shown(_find_refused_values(field, cursor.fetchall()))


def shown(problems: Iterable[Problem]) -> Iterator[Problem]:
    """The first ones, and the number of the rest."""
    found = list(problems)
    yield from found[:SHOWN_ROWS]
    if len(found) > SHOWN_ROWS:
        mend = "They are shown once some of those above are fixed"
        yield Problem(f"{len(found) - SHOWN_ROWS} more", found[-1].rule, mend, warning=found[-1].warning)


def _row(code: str | None, count: int = 1) -> str:
    """Where something is: in this row, the first of so many."""
    return f"row {json.dumps(code)}" + (f" and {count - 1} more" if count > 1 else "")


def _find_nulls(cursor: Any, field: Any) -> Iterator[Problem]:
    name = field.column
    cursor.execute(f"SELECT count(*), min(code) FROM {NAME} WHERE {quote_name(name)} IS NULL")
    count, code = cursor.fetchone()
    if count:
        yield Problem(_row(code, count), f"{name} is NULL", fill(name))


def _find_broken_constraints(cursor: Any, schema_editor: Any, table: Table) -> Iterator[Problem]:
    rows = f"(SELECT *{''.join(_missing_columns(schema_editor, table))} FROM {NAME}) AS entity"
    broken: dict[str, list[tuple[str, Any]]] = {}
    for constraint in Entity._meta.constraints:
        check = constraint._get_check_sql(Entity, schema_editor)  # type: ignore[attr-defined] # as Django's own SQL
        cursor.execute(f"SELECT code, child_entity_codes FROM {rows} WHERE NOT ({check}) ORDER BY code")
        broken[constraint.name] = cursor.fetchall()
    codes = _all_codes(cursor)
    yield from shown(
        Problem(_row(code), _wrong_shape(json.loads(children)), set_children(code, json.loads(children), codes))
        for code, children in broken.pop("entity_children_strings")
    )
    yield from find_wrong_children(schema_editor.connection, table)
    for name, found in broken.items():
        rule, mend = RULES[name]
        yield from shown(Problem(_row(code), rule, mend(code, codes)) for code, _ in found)


def _missing_columns(schema_editor: Any, table: Table) -> Iterator[str]:
    """The columns as the adoption will add them, so that every rule can be checked."""
    for field in FIELDS:
        if field.column not in table.columns:
            value = "code" if field.name == FILLED_BY_TRIGGER else default_of(schema_editor, field)
            yield f", {value} AS {quote_name(field.column)}"


def default_of(schema_editor: Any, field: Any) -> str:
    """A field's database default, as SQL."""
    sql, parameters = schema_editor.db_default_sql(field)
    return str(sql % tuple(schema_editor.quote_value(parameter) for parameter in parameters))


def _wrong_shape(children: Any) -> str:
    if isinstance(children, str):
        return "child_entity_codes is a JSON string inside JSONB"
    if not isinstance(children, list):
        return "child_entity_codes is not an array"
    others = ", ".join(json.dumps(child) for child in children if not isinstance(child, str))
    return f"child_entity_codes lists what is not a string: {others}"


def _all_codes(cursor: Any) -> set[str]:
    cursor.execute(f"SELECT code FROM {NAME}")
    return {code for (code,) in cursor.fetchall()}


def _describe_wrong_children(row: Any, codes: set[str]) -> Problem:
    code, children, unknown, doubled = row
    rules = [f"lists unknown {', '.join(map(json.dumps, unknown))}"] if unknown else []
    rules += [f"lists {', '.join(map(json.dumps, doubled))} more than once"] if doubled else []
    mend = set_children(code, json.loads(children), codes)
    return Problem(_row(code), f"child_entity_codes {' and '.join(rules)}", mend)


def _find_refused_values(field: Any, found: list[tuple[str, str, int]]) -> Iterator[Problem]:
    for value, code, count in found:
        where = _row(code, count)
        try:
            field.clean(value or "", None)
        except ValidationError as error:
            rule = f"{field.name} {json.dumps(value)}: {' '.join(error.messages).rstrip('.')}"
            yield Problem(where, rule, "Forms will ask for another", warning=True)
        else:
            if field.name == "icon" and (former := describe_former(value)):
                yield Problem(where, former.rstrip("."), "Nothing has to be done", warning=True)
