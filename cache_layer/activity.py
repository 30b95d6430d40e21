"""
This process's reads, stores and invalidations of each entry since they were last collected.

Counting a hot read costs one append to a `deque`: appending and popping need no lock.
"""

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

from cache_layer.metrics import INVALIDATIONS, READS, REDIS_SECONDS, REPLAY_SECONDS, REPLAYS

FOLD_AT = 2_000
"""How many queued reads trigger adding them up."""
MAX_ENTRIES = 10_000
"""Entries counted individually between two collections; reads of further entries only go into the totals."""
MAX_EVENTS, SHOWN_EVENTS = 2_000, 10
"""How many events are remembered for all entries, and shown for one."""


Counted = TypeVar("Counted")


class HasKey(Protocol):
    """A copy in memory; only its key matters here."""

    key: str


@dataclass
class EntryCounts:
    """
    The counters of one entry.

    Attributes:
        hits: reads from memory or Redis.
        stored_s, invalidated_s: when that last happened, in seconds since the epoch; 0 if it did not.
        cause: the cause of the last invalidation.
    """

    hits: int = 0
    stored_s: int = 0
    invalidated_s: int = 0
    cause: str = ""


_local_hits: deque[str] = deque()
_other_reads: deque[tuple[str, str]] = deque()
_replayed: deque[tuple[HasKey, ...]] = deque()
_replay_times: deque[int] = deque()
_exchanges: deque[tuple[str, float]] = deque()
_folding = threading.Lock()
_entries: dict[str, EntryCounts] = {}
_reads: dict[str, dict[str, tuple[int, int]]] = {}
_events: deque[tuple[str, int, str, str]] = deque(maxlen=MAX_EVENTS)


count_local_hit = _local_hits.append
"""
Count a read served from this process's memory, by its key; an empty key stands for "there is no such entry".

Reads that go to Redis or the database add these up: one must whenever a local lease ends.
"""

count_replay = _replayed.append
"""Count a replay of a response made of these copies. Renewing copies adds these up."""

count_replay_time = _replay_times.append
"""Record how many nanoseconds a replay took; a sample of all replays."""


def count_read(source: str, key: str) -> None:
    """Count a read that was not served from memory."""
    _other_reads.append((source, key))
    fold_many_reads()


def count_exchange(client: str, seconds: float) -> None:
    """Record how long Redis took to answer a client, "reader" or "writer"."""
    _exchanges.append((client, seconds))
    if len(_exchanges) >= FOLD_AT:
        fold_reads()


def fold_many_reads() -> None:
    """Add up the queued reads if there are many."""
    if len(_replayed) + len(_local_hits) + len(_other_reads) >= FOLD_AT:
        fold_reads()


def note_stored(keys: Iterable[str]) -> None:
    """Record that these entries have a new value in Redis."""
    now_s = int(time.time())
    with _folding:
        for key in keys:
            _counts_of(key).stored_s = now_s
            _events.append((key, now_s, "stored", ""))


def note_invalidated(keys: Collection[str], cause: str) -> None:
    """Record that these entries were invalidated."""
    INVALIDATIONS.labels(cause).inc(len(keys))
    now_s = int(time.time())
    with _folding:
        for key in keys:
            counts = _counts_of(key)
            counts.invalidated_s, counts.cause = now_s, cause
            _events.append((key, now_s, "invalidated", cause))


def fold_reads() -> None:
    """Add up the queued reads."""
    with _folding:
        replays = Counter(_taken(_replayed))
        REPLAYS.inc(replays.total())
        found = {"L1": Counter(_taken(_local_hits))}
        for copies, times in replays.items():
            for copy in copies:
                found["L1"][copy.key] += times
        for source, key in _taken(_other_reads):
            found.setdefault(source, Counter())[key] += 1
        for source, keys in found.items():
            READS.labels(source).inc(keys.total())
            _note_reads(source, keys)
        for took_ns in _taken(_replay_times):
            REPLAY_SECONDS.observe(took_ns / 1e9)
        for client, seconds in _taken(_exchanges):
            REDIS_SECONDS.labels(client).observe(seconds)


def _counts_of(key: str) -> EntryCounts:
    """The entry's counters, or a throwaway once MAX_ENTRIES is reached."""
    if key not in _entries and len(_entries) >= MAX_ENTRIES:
        return EntryCounts()
    return _entries.setdefault(key, EntryCounts())


def _note_reads(source: str, keys: Mapping[str, int]) -> None:
    now_s = int(time.time())
    for key, number in keys.items():
        if key and source in ("L1", "L2"):
            _counts_of(key).hits += number
        if key in _reads or len(_reads) < MAX_ENTRIES:
            before, _ = _reads.setdefault(key, {}).get(source, (0, 0))
            _reads[key][source] = before + number, now_s


def recent_reads(key: str) -> dict[str, tuple[int, int]]:
    """This process's reads of an entry by source: how many, and when the last one was, to within seconds."""
    fold_reads()
    with _folding:
        return dict(_reads.get(key, {}))


def recent_events(key: str) -> list[tuple[int, str, str]]:
    """This process's recent events of an entry, newest first: when, what, and the cause of an invalidation."""
    with _folding:
        found = ((when, what, why) for known, when, what, why in reversed(_events) if known == key)
        return list(islice(found, SHOWN_EVENTS))


def collect_activity() -> dict[str, EntryCounts]:
    """The counters of each entry since the last call."""
    fold_reads()
    with _folding:
        collected = _entries.copy()
        _entries.clear()
    return collected


def _forget() -> None:
    """Start empty in a forked child: its parent reports its own counts, and may have held the lock."""
    global _folding  # noqa: PLW0603 - the child needs a lock of its own
    _folding = threading.Lock()
    for counted in (_local_hits, _other_reads, _replayed, _replay_times, _exchanges, _events, _entries, _reads):
        counted.clear()


def _taken(counted: deque[Counted]) -> list[Counted]:
    """Pop everything queued so far; other threads may keep appending."""
    return [counted.popleft() for _ in range(len(counted))]


os.register_at_fork(after_in_child=_forget)
