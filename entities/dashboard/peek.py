"""One entry's bytes in Redis beside the database's document, with the differences."""

import json
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

from redis.exceptions import RedisError, ResponseError

from cache_layer import OtherRelease
from cache_layer.inspect import EntryView, Stored
from entities.cache import wording
from entities.documents import EntityDocument
from entities.lookups import ENTITY

SHOWN_BYTES = 4_000
SHOWN_FIELDS = 50


class Verdict(StrEnum):
    """How the two compare."""

    SAME = "the same"
    OTHER_RELEASE = "of another release"
    """The same in the fields that both releases have."""
    DIFFERS = "differs"
    NOT_CACHED = "not cached"
    NOT_READABLE = "not readable"
    UNKNOWN = "unknown"
    """Redis does not answer."""


class Line(NamedTuple):
    """One field on both sides, as JSON; empty where a side lacks it. Very many fields are cut off."""

    name: str
    cached: str
    committed: str
    differs: bool


@dataclass(frozen=True)
class Peek:
    """
    Attributes:
        why: what is wrong with unreadable bytes.
        stored: what Redis has, if anything.
        committed: the database's document; empty if it has no active row, and only those are ever cached.
    """

    verdict: Verdict
    why: str
    stored: Stored | None
    committed: bytes

    @property
    def cached(self) -> bytes:
        """The document's bytes in Redis; empty if there are none."""
        return (self.stored and self.stored.payload) or b""

    @cached_property
    def lines(self) -> list[Line]:
        cached, committed = _fields(self.cached), _fields(self.committed)
        names = dict.fromkeys([*EntityDocument.__struct_fields__, *cached]) if cached or committed else {}
        sides = [(name, _shown(cached, name), _shown(committed, name)) for name in islice(names, SHOWN_FIELDS)]
        may_differ = self.verdict is not Verdict.OTHER_RELEASE
        return [Line(_printable(name), one, other, may_differ and one not in ("", other)) for name, one, other in sides]

    @property
    def raw(self) -> str:
        """The bytes as text, if not exactly the database's document; very many are cut off."""
        if self.stored is None or self.verdict is Verdict.SAME:
            return ""
        return (self.cached or self.stored.stored)[:SHOWN_BYTES].decode(errors="backslashreplace")

    @property
    def compressed(self) -> str:
        """The value's sizes, if it is compressed in Redis."""
        if self.stored is None or self.cached in (b"", self.stored.stored):
            return ""
        return f"{wording.size(len(self.stored.stored))} in Redis, {wording.size(len(self.cached))} in full"

    @property
    def right_digests(self) -> set[str]:
        """The digests of correct documents: this release's, and another's if Redis has it."""
        right = (self.committed, self.cached if self.verdict is Verdict.OTHER_RELEASE else b"")
        return {EntryView.digest(document) for document in right if document}


def peek(code: str) -> Peek:
    """Both sides now. Differences are checked twice, since a change may be in progress."""
    odd = Verdict.DIFFERS, Verdict.NOT_READABLE
    return EntryView.look_twice(lambda: _look(EntryView(ENTITY, code)), lambda found: found.verdict in odd)


def _look(view: EntryView) -> Peek:
    found, verdict, why = None, Verdict.NOT_CACHED, ""
    try:
        found = view.stored()
    except ResponseError as error:  # a key of another type
        verdict, why = Verdict.NOT_READABLE, str(error)
    except RedisError:
        verdict = Verdict.UNKNOWN
    committed = view.committed()
    if found is not None:
        try:
            verdict = _compare(view, found, committed)
        except ValueError as error:
            verdict, why = Verdict.NOT_READABLE, _printable(str(error))  # it may quote what it found
    return Peek(verdict, why, found, committed)


def _compare(view: EntryView, found: Stored, committed: bytes) -> Verdict:
    if found.payload is None:
        raise ValueError(found.problem)
    if found.payload == committed:
        return Verdict.SAME
    if view.agrees(found.payload, committed):
        return Verdict.OTHER_RELEASE
    with suppress(OtherRelease):
        ENTITY.decode(view.entry.identifier, found.payload)
    return Verdict.DIFFERS


def _fields(payload: bytes) -> dict[str, Any]:
    """The fields of a JSON object; empty for anything else."""
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _shown(fields: dict[str, Any], name: str) -> str:
    return _printable(json.dumps(fields[name], ensure_ascii=False)) if name in fields else ""


def _printable(text: str) -> str:
    """The start of the text; lone surrogates, which JSON allows and UTF-8 does not, are escaped as in JSON."""
    return text[:SHOWN_BYTES].encode(errors="backslashreplace").decode()
