"""One state to stand for all those that differ from it by names only: of readers, writers, askers and nonces."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import le
from typing import Any

from msgspec.structs import replace

from tests.model.nonces import renumbered, tidied
from tests.model.state import NOTHING, Redis, State, with_each_server


def canonical(s: State) -> State:
    """Readers and writers in order of what they do, nonces numbered as they are come upon."""
    if s.stamp_copies:
        s = renumbered(tidied(s))
    seats = seats_of(s)
    if is_in_order(seats) and is_in_order(s.writers) and (has_askers_each(s) or is_in_order(s.replies)):
        return s
    s = renamed(s, in_order(seats), in_order(s.writers))
    return renumbered(s) if s.stamp_copies else s


def seats_of(s: State) -> tuple[Any, ...]:
    """What may change places: readers, each with its process if that is its own."""
    if not has_l1_each(s):
        return s.readers
    if not s.stamp_copies:
        return tuple(zip(s.readers, s.copies, strict=True))
    if has_askers_each(s):
        return tuple(zip(s.readers, s.copies, s.stamp_copies, s.replies, strict=True))
    return tuple(enumerate(s.readers))  # none may: not all processes have as many askers


def is_in_order(items: tuple[Any, ...]) -> bool:
    return all(map(le, items, items[1:]))


def in_order(items: tuple[Any, ...]) -> list[int]:
    return sorted(range(len(items)), key=items.__getitem__)


def has_l1_each(s: State) -> bool:
    return len(s.copies) == len(s.readers)


def has_askers_each(s: State) -> bool:
    """One in each process; else all are in the first."""
    return len(s.replies) == len(s.copies)


def renamed(s: State, readers: Sequence[int], writers: Sequence[int]) -> State:
    """The same state with `readers[0]` as the first reader, and so on."""
    processes = readers if has_l1_each(s) else range(len(s.copies))
    askers = processes if has_askers_each(s) else in_order(s.replies)
    return replace(
        with_each_server(s, partial(redis_renamed, readers=readers, writers=writers)),
        readers=leases_renamed(s.readers, readers, writers),
        copies=leases_renamed(s.copies, processes, writers),
        writers=tuple(s.writers[w] for w in writers),
        stamp_copies=leases_renamed(s.stamp_copies, processes, writers) if s.stamp_copies else (),
        replies=leases_renamed(s.replies, askers, writers) if s.replies else (),
    )


def leases_renamed(items: tuple[Any, ...], order: Sequence[int], writers: Sequence[int]) -> tuple[Any, ...]:
    return tuple(replace(items[i], drained_by=bits_renamed(items[i].drained_by, writers)) for i in order)


def redis_renamed(redis: Redis, readers: Sequence[int], writers: Sequence[int]) -> Redis:
    return replace(
        redis,
        lease=redis.lease if redis.lease == NOTHING else readers.index(redis.lease),
        holds=bits_renamed(redis.holds, writers),
        last_holder=redis.last_holder if redis.last_holder == NOTHING else writers.index(redis.last_holder),
        stamp=replace(redis.stamp, holds=bits_renamed(redis.stamp.holds, writers)),
    )


def bits_renamed(bits: int, writers: Sequence[int]) -> int:
    return bits and sum(1 << new for new, old in enumerate(writers) if bits & 1 << old)
