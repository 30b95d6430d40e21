"""What a writer does until its commit, and what waiting `L` gives: nothing is used any more that was fetched before."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from msgspec.structs import replace

from tests.model.scope import Part, Piece, Rules
from tests.model.state import (
    NOTHING,
    Copy,
    Does,
    Reader,
    Server,
    StampCopy,
    State,
    Step,
    Writer,
    row_is_free,
    with_writer,
    writer_name,
)

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


class WriterSteps(DrainSteps):
    """The steps of writer `w`."""

    def hold_earlier_row(self, s: State, w: int) -> Iterator[Step]:
        if self.missing is Piece.DRAIN_FROM_NEWEST_HOLD:
            yield f"{writer_name(w)}: holds an earlier row", self.after_hold(s, w, Does.HOLDS_EARLIER)

    def hold(self, s: State, w: int) -> Iterator[Step]:
        if not self.has(Piece.HOLD):
            yield from self.change(s, w)
            return
        held_both = s.writers[w].does is Does.HOLDS_STAMP or not self.has_stamp or not self.has(Piece.STAMP_IS_HELD)
        does = Does.HOLDS if held_both else Does.HOLDS_ENTRY
        if self.reaches(s, Part.ENTRY):
            alone = not s.redis.holds or self.missing in (Piece.ALONE, Piece.ALONE_EARLIER)
            said = "not alone" if s.redis.holds else "alone"
            yield f"{writer_name(w)}: holds -> {said}", self.after_hold(held(s, w), w, does, alone)
        if self.is_refused(s, Part.ENTRY):
            yield f"{writer_name(w)}: holds -> connection refused", self.after_hold(s, w, does)

    def is_refused(self, s: State, part: Part) -> bool:
        """Whether the writer takes the server for gone; it may not know yet that another has taken over."""
        if part not in self.scope.fails:
            return False
        if s.others and not self.has(Piece.REFUSED_PROVES_NOTHING):
            return s.others.former is None and s.others.failovers_left < self.scope.failovers
        return s.redis.server is Server.DOWN

    def after_hold(self, s: State, w: int, does: Does, alone: bool = False) -> State:
        """The drain begins with the newest hold: what an earlier one has begun leaves no trace."""
        is_first = s.writers[w].does is Does.NOTHING
        begins = does is Does.HOLDS if self.has(Piece.DRAIN_FROM_NEWEST_HOLD) else is_first
        if begins and self.has(Piece.DRAIN):
            s = drain_begun(s, w)
        return with_writer(s, w, Writer(does, alone))

    def hold_again(self, s: State, w: int) -> Iterator[Step]:
        """Retried by the client, or to renew the hold: nothing tells it from the first run."""
        if self.reaches(s, Part.ENTRY) and s.writers[w].does not in (Does.NOTHING, Does.DONE):
            yield f"{writer_name(w)}: its hold command runs a second time", held(s, w)

    def change(self, s: State, w: int) -> Iterator[Step]:
        if row_is_free(s):
            does = Does.CHANGED if self.has(Piece.DRAIN) else Does.DRAINED
            yield f"{writer_name(w)}: changes the row", with_writer(s, w, Writer(does, s.writers[w].alone))

    def drain(self, s: State, w: int) -> Iterator[Step]:
        after = with_writer(self.drain_ended(s, w), w, Writer(Does.DRAINED, s.writers[w].alone))
        yield f"{writer_name(w)}: has drained", after

    def commit(self, s: State, w: int) -> Iterator[Step]:
        version = s.committed + 1
        after = with_writer(s, w, Writer(Does.COMMITTED, s.writers[w].alone, version))
        yield f"{writer_name(w)}: commits v{version}", replace(after, committed=version)

    def change_behind_django(self, s: State, w: int) -> Iterator[Step]:
        if self.scope.behind_django and row_is_free(s):
            version = s.committed + 1
            after = with_writer(s, w, Writer(Does.IN_OUTBOX, version=version))
            yield f"{writer_name(w)}: commits v{version} in raw SQL", replace(after, committed=version)

    def roll_back(self, s: State, w: int) -> Iterator[Step]:
        """Waits for nothing. Where the release is refused, a hold that is there lapses: as if the writer was killed."""
        if self.reaches(s, Part.ENTRY):
            after = self.released(s, w, NOTHING)
            writer = Writer(Does.ROLLED_BACK) if self.has_stamp else Writer()
            yield f"{writer_name(w)}: rolls back and releases", with_writer(drain_forgotten(after, w), w, writer)
            if self.missing is Piece.COMMIT_IN_DOUBT_KEEPS_HOLD and s.writers[w].does is Does.DRAINED:
                yield f"{writer_name(w)}: loses the connection during COMMIT, releases", after

    def released(self, s: State, w: int, offered: int) -> State:
        redis = replace(s.redis, value=NOTHING, lease=NOTHING)
        if redis.holds & 1 << w:
            alone_since = redis.last_holder == w or self.missing in (Piece.ALONE, Piece.ALONE_LATER)
            redis = replace(redis, value=offered if alone_since else NOTHING, holds=redis.holds & ~(1 << w))
        elif self.has(Piece.LOST_HOLD_ENDS_ALONENESS):
            redis = replace(redis, last_holder=NOTHING)
        return replace(s, redis=redis)

    def kill(self, s: State, w: int) -> Iterator[Step]:
        version = s.writers[w].version
        left = Writer(Does.DEAD) if version == NOTHING else Writer(Does.IN_OUTBOX, version=version)
        yield f"{writer_name(w)}: is killed", with_writer(drain_forgotten(s, w), w, left)


def held(s: State, w: int) -> State:
    holds = s.redis.holds | 1 << w
    return replace(s, redis=replace(s.redis, value=NOTHING, lease=NOTHING, holds=holds, last_holder=w))
