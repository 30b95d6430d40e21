"""What everyone knows at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from operator import le
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

T = TypeVar("T")

NOTHING = -1  # no value, no lease, no last holder


class Server(StrEnum):
    UP = "up"
    DOWN = "down"
    RESTARTED = "restarted"  # its run id is not the recorded one
    TOOK_OVER = "took over"  # it was a replica, and no connection has compared it yet
    PURGED = "purged"  # since it took over, a moment ago


class Known(Struct, frozen=True, order=True, cache_hash=True):
    """Part of a state, or one: compared, hashed once and copied with changes by msgspec, in C."""


class Redis(Known):
    value: int = NOTHING
    lease: int = NOTHING  # the reader who has it
    holds: int = 0  # a bit for each writer
    last_holder: int = NOTHING
    server: Server = Server.UP


class Others(Known):
    """The servers beside the one that clients are to use."""

    failovers_left: int
    replica: Redis | None = Redis()  # what it was told; None: nobody follows
    former: Redis | None = None  # the primary that was replaced, while a connection may trust it


class Does(StrEnum):
    NOTHING = "nothing"
    # a reader
    HAS_LEASE = "has the lease"
    HAS_ROW = "has the lease and the row"
    HAS_REPLY = "has a value it may put in L1"
    # a writer
    DRAINS = "waits L before its change"
    MAY_CHANGE = "may change the row"
    CHANGED = "has changed the row"
    COMMITTED = "has committed"
    READ_BACK = "has read its row back"
    DRAINS_LATE = "waits L before its change counts as acknowledged"
    IN_OUTBOX = "has committed and left; the relay will see it"
    DONE = "has returned"
    DEAD = "was killed before its commit"


HAS_LEFT = (Does.DEAD, Does.IN_OUTBOX, Does.DRAINS_LATE, Does.DONE)  # with its hold in place: it was killed


class Reader(Known):
    does: Does = Does.NOTHING
    version: int = NOTHING
    drained_by: int = 0  # as for `Copy`


class Copy(Known):
    """An entry of an L1."""

    version: int = NOTHING
    drained_by: int = 0  # a bit for each writer whose drain, now under way, it will not outlive


class Writer(Known):
    does: Does = Does.NOTHING
    alone: bool = False
    version: int = NOTHING
    read_back: int = NOTHING


class State(Known):
    committed: int
    floor: int  # the oldest version that a read starting now may return
    redis: Redis
    readers: tuple[Reader, ...]
    copies: tuple[Copy, ...]
    writers: tuple[Writer, ...]
    snapshot: Redis | None = None
    restarts_left: int = 0
    others: Others | None = None
    broken: bool = False  # the last step was a read that returned something older than `floor`


Step = tuple[str, State]


def reader_name(r: int) -> str:
    return f"reader {'ABC'[r]}"


def writer_name(w: int) -> str:
    return f"writer {w + 1}"


def with_reader(s: State, r: int, reader: Reader) -> State:
    return replace(s, readers=replaced(s.readers, r, reader))


def with_writer(s: State, w: int, writer: Writer) -> State:
    return replace(s, writers=replaced(s.writers, w, writer))


def held(s: State, w: int) -> State:
    return replace(s, redis=Redis(holds=s.redis.holds | 1 << w, last_holder=w))


def acknowledged(s: State, w: int, told: int) -> State:
    return replace(with_writer(s, w, Writer(Does.DONE)), floor=max(s.floor, told))


def drain_begun(s: State, w: int) -> State:
    """Mark what L1s hold or are about to hold: it was fetched before now, so it will not outlive this drain."""
    return replace(
        s,
        copies=tuple(
            copy if copy.version == NOTHING else replace(copy, drained_by=copy.drained_by | 1 << w) for copy in s.copies
        ),
        readers=tuple(
            replace(reader, drained_by=reader.drained_by | 1 << w) if reader.does is Does.HAS_REPLY else reader
            for reader in s.readers
        ),
    )


def drain_forgotten(s: State, w: int) -> State:
    """Nobody waits for this drain any more."""
    return replace(
        s,
        copies=tuple(replace(copy, drained_by=copy.drained_by & ~(1 << w)) for copy in s.copies),
        readers=tuple(replace(reader, drained_by=reader.drained_by & ~(1 << w)) for reader in s.readers),
    )


def replaced(items: tuple[T, ...], index: int, item: T) -> tuple[T, ...]:
    return (*items[:index], item, *items[index + 1 :])


def canonical(s: State) -> State:
    """One state to stand for those that differ from it by names only: readers and writers in order of what they do."""
    seats = tuple(zip(s.readers, s.copies, strict=True)) if has_l1_each(s) else s.readers
    if is_in_order(seats) and is_in_order(s.writers):
        return s
    return renamed(s, in_order(seats), in_order(s.writers))


def is_in_order(items: tuple[Any, ...]) -> bool:
    return all(map(le, items, items[1:]))


def in_order(items: tuple[Any, ...]) -> list[int]:
    return sorted(range(len(items)), key=items.__getitem__)


def has_l1_each(s: State) -> bool:
    return len(s.copies) == len(s.readers)


def renamed(s: State, readers: Sequence[int], writers: Sequence[int]) -> State:
    """The same state with `readers[0]` as the first reader, and so on."""
    copies = [s.copies[r] for r in readers] if has_l1_each(s) else s.copies
    return replace(
        s,
        redis=redis_renamed(s.redis, readers, writers),
        readers=tuple(
            replace(s.readers[r], drained_by=bits_renamed(s.readers[r].drained_by, writers)) for r in readers
        ),
        copies=tuple(replace(copy, drained_by=bits_renamed(copy.drained_by, writers)) for copy in copies),
        writers=tuple(s.writers[w] for w in writers),
        snapshot=s.snapshot and redis_renamed(s.snapshot, readers, writers),
        others=s.others
        and replace(
            s.others,
            replica=s.others.replica and redis_renamed(s.others.replica, readers, writers),
            former=s.others.former and redis_renamed(s.others.former, readers, writers),
        ),
    )


def redis_renamed(redis: Redis, readers: Sequence[int], writers: Sequence[int]) -> Redis:
    return replace(
        redis,
        lease=redis.lease if redis.lease == NOTHING else readers.index(redis.lease),
        holds=bits_renamed(redis.holds, writers),
        last_holder=redis.last_holder if redis.last_holder == NOTHING else writers.index(redis.last_holder),
    )


def bits_renamed(bits: int, writers: Sequence[int]) -> int:
    return bits and sum(1 << new for new, old in enumerate(writers) if bits & 1 << old)
