"""
The values of the stamp. All that anybody does with two of them is to see whether they are equal.

So a nonce is a number, states that differ by these numbers only are one state, and a number that nobody can meet again
is free for the next stamp. That keeps the states finite, though no nonce is used twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

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
