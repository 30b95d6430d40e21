"""
Explains an entry during an incident: who has which copy now, what happened to it, and what comes next.

It only looks: no entry is read, filled, renewed or counted.
"""

from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from django.db.models import Q
from redis.exceptions import RedisError

from cache_layer.inspect import EntryState, EntryView, Kind, Series
from entities.cache.operations import EVERYTHING
from entities.cache.wording import clock, count, size
from entities.dashboard.charts import CAUSES
from entities.dashboard.peek import Peek, Verdict
from entities.history import PLACES, all_events
from entities.lookups import ENTITY
from entities.models import CacheOperation, Entity

SHOWN_CHANGES = 8
NO_READS, NO_EVENTS = "no reads known", ("nothing known",)


class Holder(NamedTuple):
    """
    A holder of the entry: a process's memory, Redis, or PostgreSQL.

    Attributes:
        name: `PostgreSQL`, `Redis`, or a process.
        has: its copy, in words.
        digest: of the document's bytes; empty if it has none.
        differs: whether the document differs from PostgreSQL's, other than by the fields of another release.
        reads, events: what this process did, in words.
    """

    name: str
    has: str
    digest: str = ""
    differs: bool = False
    reads: str = ""
    events: tuple[str, ...] = ()


class Happened(NamedTuple):
    """A change of the type in PostgreSQL, or an operation on its entry."""

    when: datetime
    what: str
    who: str


class Next(NamedTuple):
    """What would happen to the next read on this server, and why."""

    source: str
    why: str


def describe_engines(code: str, looked: Peek, state: EntryState) -> list[Holder]:
    """PostgreSQL's and Redis' documents; `state` is the entry's in Redis."""
    committed = looked.committed
    exists = bool(committed) or Entity.objects.filter(code=code).exists()
    has = size(len(committed)) if committed else "an inactive type, never cached" if exists else "no such type"
    postgresql = Holder("PostgreSQL", has, EntryView.digest(committed))
    match looked.verdict:
        case Verdict.UNKNOWN:
            return [postgresql, Holder("Redis", "unknown: it does not answer")]
        case Verdict.NOT_CACHED:
            return [postgresql, Holder("Redis", str(state.kind))]
        case Verdict.NOT_READABLE:
            return [postgresql, Holder("Redis", "bytes that are not a document", "unreadable", differs=True)]
    left = "" if state.ttl_seconds is None else f", {state.ttl_seconds} s left"
    other = ", written by another release" if looked.verdict is Verdict.OTHER_RELEASE else ""
    has = f"{size(len(looked.cached))}{left}{other}"
    differs = looked.verdict is Verdict.DIFFERS
    return [postgresql, Holder("Redis", has, EntryView.digest(looked.cached), differs)]


def look_at_memories(code: str, mark: str, right: Collection[str]) -> list[Holder]:
    """
    What each process's memory has, for those that replied, and those that have not.

    Args:
        mark: of the probe; this process needs none.
        right: the digests of right documents, as `Peek` has them.
    """
    view = EntryView(ENTITY, code)
    own = view.in_memory()
    try:
        found, silent = view.read_memories(mark) if mark else ([], [])
    except RedisError:
        found, silent = [], ["the other processes"]
    answers = [own, *(answer for answer in found if answer.process != own.process)]
    holders = [_word_answer(answer, right, own=answer is own) for answer in answers]
    unknown = partial(Holder, has="unknown: it has not answered", reads=NO_READS, events=NO_EVENTS)
    return holders + [unknown(name) for name in silent if name != own.process]


def _word_answer(answer: Any, right: Collection[str], *, own: bool) -> Holder:
    copy = answer.copy
    has, digest = "nothing", ""
    if copy is not None:
        digest = copy.digest
        may = f"may be used for {count(copy.left_ms)} ms" if copy.left_ms else "Redis is asked before it may be used"
        has = f"{size(copy.payload_bytes)}, {may}"
    reads = ", ".join(
        f"{count(number)} from {Series.SOURCES.get(source, source)}, last {clock(last_s)}"
        for source, (number, last_s) in sorted(answer.reads.items(), key=lambda item: -item[1][1])
    )
    events = tuple(
        f"{clock(when)} {what}{f' ({CAUSES.get(why, why)})' if why else ''}" for when, what, why in answer.events
    )
    usable = copy is not None and copy.left_ms > 0
    name = f"{answer.process} (this one)" if own else answer.process
    return Holder(name, has, digest, usable and digest not in right, reads or NO_READS, events or NO_EVENTS)


def what_happened(code: str) -> list[Happened]:
    """The latest changes of the type and operations on its entry, by whom, newest first."""
    events = all_events().filter(pgh_obj_id=code)
    newest = events.order_by("-pgh_id")[:SHOWN_CHANGES]
    happened = [Happened(version.pgh_created_at, version.happened, version.author) for version in newest]
    named = Q(subject=EVERYTHING) | Q(subject__regex=rf"(^|[ ,(]){code}([,)]|$)")
    operations = CacheOperation.objects.filter(named).order_by("-done_ts")[:SHOWN_CHANGES]
    happened += [
        Happened(
            operation.done_ts,
            f"{operation.get_operation_display()}: {operation.result}",
            f"{operation.username}, {PLACES.get(operation.origin, operation.origin)}"
            f"{f' ({operation.reason})' if operation.reason else ''}",
        )
        for operation in operations
    ]
    return sorted(happened, key=lambda each: each.when, reverse=True)[:SHOWN_CHANGES]


BY_STATE = {
    Kind.UNKNOWN: Next("BYPASS", "Redis does not answer: the database is read, and nothing is cached."),
    Kind.CACHED: Next("L2", "This server has no copy it may use; Redis has the value."),
    Kind.BEING_WRITTEN: Next("BYPASS", "Somebody is saving it: until then the database is read, and nothing cached."),
    Kind.KNOWN_ABSENT: Next("-", "Redis knows that there is no active type of this code: 404, without the database."),
    Kind.BEING_FILLED: Next("L2", "Another reader is loading it: this one waits a moment, then reads the database."),
}


def foresee(code: str, state: EntryState, *, is_active: bool) -> Next:
    """What a read of this entry, which has this state and is active in the database or not, would do now here."""
    copy = EntryView(ENTITY, code).in_memory().copy
    if copy is not None and copy.left_ms:
        return Next("L1", f"This server has a copy that it may use for {count(copy.left_ms)} ms more.")
    if state.kind in BY_STATE:
        return BY_STATE[state.kind]
    if not is_active:
        return Next("-", "The database is asked and has no active type of this code: 404, and that is remembered.")
    return Next("DB", "Nothing is cached: the database is read, and the value is stored in Redis and here.")
