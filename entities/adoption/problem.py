"""What stands in the way of an adoption, in one line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Where, which rule is broken, and what would mend it: SQL if `mend_sql`, else words."""

    where: str
    rule: str
    mend: str
    mend_sql: bool = True
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.rule}. {'Mend: ' if self.mend_sql else ''}{self.mend}"


def quote_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """As a literal of SQL, on one line, without anything that a terminal would obey."""
    if text.isprintable() and "\\" not in text:
        return "'" + text.replace("'", "''") + "'"
    return "E'" + "".join(_escape(character) for character in text) + "'"


def _escape(character: str) -> str:
    if character == "'":
        return "''"
    if character.isprintable() and character != "\\":
        return character
    return f"\\U{ord(character):08x}"
