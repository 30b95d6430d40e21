"""An obstacle to an adoption, in one line."""

from __future__ import annotations

from dataclasses import dataclass


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
    """An SQL literal on one line, without terminal control characters."""
    if text.isprintable() and "\\" not in text:
        return "'" + text.replace("'", "''") + "'"
    return "E'" + "".join(_escape(character) for character in text) + "'"


def _escape(character: str) -> str:
    if character == "'":
        return "''"
    if character.isprintable() and character != "\\":
        return character
    return f"\\U{ord(character):08x}"
