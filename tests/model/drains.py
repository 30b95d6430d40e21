"""What waiting `L` gives: nothing is used any more that was fetched before the wait began."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from msgspec.structs import replace

from tests.model.scope import Piece, Rules
from tests.model.state import NOTHING, Copy, Does, Reader, StampCopy, State

Leased = TypeVar("Leased", Copy, Reader, StampCopy)


def drain_begun(s: State, w: int) -> State:
    """Mark what processes have or are about to have: it was fetched before now, so it will not outlive this drain."""
    return with_leases(s, partial(marked, bit=1 << w))


def drain_forgotten(s: State, w: int) -> State:
    """Nobody waits for this drain any more."""
    return with_leases(s, partial(unmarked, bit=1 << w))


def with_leases(s: State, change: Callable[..., Any]) -> State:
    """The same with all changed that has a local lease, or may have one soon."""
    return replace(
        s,
        copies=change(s.copies),
        readers=change(s.readers),
        stamp_copies=change(s.stamp_copies),
        replies=change(s.replies),
    )


def marked(items: tuple[Leased, ...], bit: int) -> tuple[Leased, ...]:
    return tuple(replace(item, drained_by=item.drained_by | bit) if item.is_leased else item for item in items)


def unmarked(items: tuple[Leased, ...], bit: int) -> tuple[Leased, ...]:
    return tuple(replace(item, drained_by=item.drained_by & ~bit) if item.drained_by & bit else item for item in items)


class DrainSteps(Rules):
    """The end of a drain."""

    def drain_ended(self, s: State, w: int) -> State:
        """The local leases are over of all that was fetched before the drain began, in L1 or not yet there."""
        bit = 1 << w
        s = replace(
            s,
            copies=tuple(copy_without_lease(copy) if copy.drained_by & bit else copy for copy in s.copies),
            stamp_copies=tuple(
                StampCopy(copy.nonce, ended=True) if copy.drained_by & bit else copy for copy in s.stamp_copies
            ),
        )
        if self.has(Piece.LEASE_FROM_BEFORE_FETCH):
            readers = tuple(reply_without_lease(item) if item.drained_by & bit else item for item in s.readers)
            s = replace(s, readers=readers)
        if self.has(Piece.STAMP_LEASE_FROM_BEFORE_FETCH):
            s = replace(s, replies=tuple(StampCopy() if item.drained_by & bit else item for item in s.replies))
        return s


def copy_without_lease(copy: Copy) -> Copy:
    return Copy() if copy.rests_on == NOTHING else Copy(copy.version, ended=True, rests_on=copy.rests_on)


def reply_without_lease(reader: Reader) -> Reader:
    if reader.rests_on == NOTHING:
        return Reader()
    return Reader(Does.HAS_REPLY, reader.version, ended=True, rests_on=reader.rests_on)
