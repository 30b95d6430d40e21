"""
What happened to each entry in this process since it was last collected: reads from the cache, stores, invalidations.

A hot read costs an append here, and nothing else: appending to a `deque` and popping from it need no lock.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol, TypeVar

from cache_layer.metrics import INVALIDATIONS, READS, REDIS_SECONDS, REPLAY_SECONDS, REPLAYS

FOLD_AT = 2_000
"""Reads counted one by one until they are added up."""
MAX_ENTRIES = 10_000
"""Entries that are told apart between two collections; the reads of others are only in the totals."""
MAX_EVENTS, SHOWN_EVENTS = 2_000, 10
"""Of what happened to all entries, and of what is told of one."""


Counted = TypeVar("Counted")


class HasKey(Protocol):
    """A copy in memory, as far as it matters here."""

    key: str


@dataclass
class EntryCounts:
    """
    One entry's.

    Attributes:
        hits: reads from memory or Redis.
        stored_s, invalidated_s: seconds since the epoch of the last time; 0 if it was not.
        cause: of the last invalidation.
    """

    hits: int = 0
    stored_s: int = 0
    invalidated_s: int = 0
    cause: str = ""


@dataclass
class Activity:
    entries: dict[str, EntryCounts] = field(default_factory=dict)

    def of(self, key: str) -> EntryCounts:
        """The entry's counters, or a throwaway once MAX_ENTRIES is reached."""
        if key not in self.entries and len(self.entries) >= MAX_ENTRIES:
            return EntryCounts()
        return self.entries.setdefault(key, EntryCounts())


_local_hits: deque[str] = deque()
_other_reads: deque[tuple[str, str]] = deque()
_replayed: deque[tuple[HasKey, ...]] = deque()
_replay_times: deque[int] = deque()
_exchanges: deque[tuple[str, float]] = deque()
_folding = threading.Lock()
_activity = Activity()
_reads: dict[str, dict[str, tuple[int, int]]] = {}
_events: deque[tuple[str, int, str, str]] = deque(maxlen=MAX_EVENTS)


count_local_hit = _local_hits.append
"""
A read was answered from this process's memory: its key, or an empty one for "there is no such entry".

They are added up by those of the reads that go further away, as one must whenever a local lease ends.
"""

count_replay = _replayed.append
"""An answer made of these copies was given again. They are added up when the copies are renewed."""

count_replay_time = _replay_times.append
"""How many nanoseconds one of them took; of a few, which stand for all."""


def count_read(source: str, key: str) -> None:
    """A read was answered from further away."""
    _other_reads.append((source, key))
    fold_many_reads()


def count_exchange(client: str, seconds: float) -> None:
    """Redis answered a reader, or a writer."""
    _exchanges.append((client, seconds))
    if len(_exchanges) >= FOLD_AT:
        fold_reads()


def fold_many_reads() -> None:
    """Add up what was counted one by one, if it is much by now."""
    if len(_replayed) + len(_local_hits) + len(_other_reads) >= FOLD_AT:
        fold_reads()


def note_stored(keys: Iterable[str]) -> None:
    """These entries have a new value in Redis."""
    now_s = int(time.time())
    with _folding:
        for key in keys:
            _activity.of(key).stored_s = now_s
            _events.append((key, now_s, "stored", ""))


def note_invalidated(keys: Collection[str], cause: str) -> None:
    """These entries were invalidated."""
    INVALIDATIONS.labels(cause).inc(len(keys))
    now_s = int(time.time())
    with _folding:
        for key in keys:
            counts = _activity.of(key)
            counts.invalidated_s, counts.cause = now_s, cause
            _events.append((key, now_s, "invalidated", cause))


def fold_reads() -> None:
    """Add up what was counted one by one."""
    with _folding:
        local: Counter[str] = Counter(_taken(_local_hits))
        replays = Counter(_taken(_replayed))
        for copies, times in replays.items():
            for copy in copies:
                local[copy.key] += times
        REPLAYS.inc(replays.total())
        READS.labels("L1").inc(local.total())
        further: dict[str, Counter[str]] = {}
        for source, key in _taken(_other_reads):
            further.setdefault(source, Counter())[key] += 1
        _note_reads({"L1": local} | further)
        for source, keys in further.items():
            READS.labels(source).inc(keys.total())
        for took_ns in _taken(_replay_times):
            REPLAY_SECONDS.observe(took_ns / 1e9)
        for client, seconds in _taken(_exchanges):
            REDIS_SECONDS.labels(client).observe(seconds)
        for key, hits in (local + further.get("L2", Counter())).items():
            if key:
                _activity.of(key).hits += hits


def _note_reads(found: Mapping[str, Counter[str]]) -> None:
    """When each entry was last read from where; of as many entries as are told apart."""
    now_s = int(time.time())
    for source, keys in found.items():
        for key, number in keys.items():
            if key in _reads or len(_reads) < MAX_ENTRIES:
                before, _ = _reads.setdefault(key, {}).get(source, (0, 0))
                _reads[key][source] = before + number, now_s


def recent_reads(key: str) -> dict[str, tuple[int, int]]:
    """This process's reads of an entry by where they came from: how many, and when the last was, within seconds."""
    fold_reads()
    with _folding:
        return dict(_reads.get(key, {}))


def recent_events(key: str) -> list[tuple[int, str, str]]:
    """What this process did to an entry lately, the newest first: when, what, and the cause of an invalidation."""
    with _folding:
        found = ((when, what, why) for known, when, what, why in reversed(_events) if known == key)
        return list(islice(found, SHOWN_EVENTS))


def collect_activity() -> dict[str, EntryCounts]:
    """What happened to each entry since the last call."""
    global _activity
    fold_reads()
    with _folding:
        collected, _activity = _activity, Activity()
    return collected.entries


def _forget() -> None:
    """Start empty in a forked child, whose parent tells its own and may have been folding."""
    global _folding, _activity
    _folding, _activity = threading.Lock(), Activity()
    for counted in (_local_hits, _other_reads, _replayed, _replay_times, _exchanges, _events):
        counted.clear()
    _reads.clear()


def _taken(counted: deque[Counted]) -> list[Counted]:
    """All that is in it by now; others may go on appending."""
    return [counted.popleft() for _ in range(len(counted))]


os.register_at_fork(after_in_child=_forget)
