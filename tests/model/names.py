"""
One state to stand for all those that differ from it by names only: of readers, writers, askers and nonces.

A nonce is a value of the stamp. All that anybody does with two of them is to see whether they are equal. So it is a
number, states that differ by these numbers only are one state, and a number that nobody can meet again is free for the
next stamp. That keeps the states finite, though no nonce is used twice.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from operator import le
from typing import Any

from msgspec.structs import replace

from tests.model.state import NOTHING, Copy, Does, Reader, Redis, StampCopy, State, process_of, with_each_server

# Not numbered, and never forgotten. They occur only where a piece of the protocol is missing.
THE_SAME = -2  # the nonce of every stamp
NOT_SAID = -3  # what a copy rests on is seen only when it is kept


def servers_of(s: State) -> Iterator[Redis]:
    yield s.redis
    if s.snapshot is not None:
        yield s.snapshot
    if s.others is not None:
        yield from (redis for redis in (s.others.replica, s.others.former) if redis is not None)


def nonces_of(s: State) -> list[int]:
    """All that are known anywhere, in the order in which they are come upon."""
    nonces = [redis.stamp.nonce for redis in servers_of(s)]
    nonces += [copy.nonce for copy in s.stamp_copies]
    nonces += [reply.nonce for reply in s.replies]
    nonces += [copy.rests_on for copy in s.copies]
    nonces += [reader.rests_on for reader in s.readers]
    return [nonce for nonce in dict.fromkeys(nonces) if nonce > NOTHING]


def fresh_nonce(s: State) -> int:
    """One that nobody knows."""
    nonces = nonces_of(s)
    return next(number for number in range(len(nonces) + 1) if number not in nonces)


def renumbered(s: State) -> State:
    nonces = nonces_of(s)
    if nonces == list(range(len(nonces))):
        return s
    new = {NOTHING: NOTHING, THE_SAME: THE_SAME, NOT_SAID: NOT_SAID}
    new |= {old: number for number, old in enumerate(nonces)}
    return replace(
        with_each_server(s, partial(redis_renumbered, new=new)),
        stamp_copies=tuple(replace(copy, nonce=new[copy.nonce]) for copy in s.stamp_copies),
        replies=tuple(replace(reply, nonce=new[reply.nonce]) for reply in s.replies),
        copies=tuple(replace(copy, rests_on=new[copy.rests_on]) for copy in s.copies),
        readers=tuple(replace(reader, rests_on=new[reader.rests_on]) for reader in s.readers),
    )


def redis_renumbered(redis: Redis, new: dict[int, int]) -> Redis:
    return replace(redis, stamp=replace(redis.stamp, nonce=new[redis.stamp.nonce]))


def tidied(s: State) -> State:
    """Without what rests on a nonce that its process cannot meet again, and without nonces that are of no use."""
    told = {redis.stamp.nonce for redis in servers_of(s)}
    met = [told | {copy.nonce} for copy in s.stamp_copies]
    for a, reply in enumerate(s.replies):
        met[process_of(s, a, s.replies)].add(reply.nonce)
    copies = tuple(
        copy if copy.rests_on <= NOTHING or copy.rests_on in met[p] else copy_without_stamp(copy)
        for p, copy in enumerate(s.copies)
    )
    readers = tuple(
        reader
        if reader.rests_on <= NOTHING or reader.rests_on in met[process_of(s, r, s.readers)]
        else reader_without_stamp(reader)
        for r, reader in enumerate(s.readers)
    )
    rested_on = [{copy.rests_on} for copy in copies]
    for r, reader in enumerate(readers):
        rested_on[process_of(s, r, readers)].add(reader.rests_on)
    stamp_copies = tuple(
        StampCopy() if copy.ended and copy.nonce > NOTHING and copy.nonce not in rested_on[p] else copy
        for p, copy in enumerate(s.stamp_copies)
    )
    if (copies, readers, stamp_copies) == (s.copies, s.readers, s.stamp_copies):
        return s
    return replace(s, copies=copies, readers=readers, stamp_copies=stamp_copies)


def copy_without_stamp(copy: Copy) -> Copy:
    return Copy() if copy.ended else replace(copy, rests_on=NOTHING)


def reader_without_stamp(reader: Reader) -> Reader:
    if reader.does is Does.HAS_REPLY and reader.ended:
        return Reader()
    return replace(reader, rests_on=NOTHING)


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
