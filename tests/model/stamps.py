"""
The stamp: one small entry of Redis that vouches for many others. Here are the steps that only it has.

A copy of the entry may rest on a copy of the stamp. Then it may be used while that copy has its local lease, which
begins anew each time Redis gives the same nonce: one command renews all that rests on it.

Modelled
    - Askers send `stamp.lua` for their process, and keep what it gives; the answer may come late, or after another's.
    - A reader notes the stamp of its process before it sends its command for the entry, and the copy that comes of it
      rests on that stamp, even when its own local lease is over by then.
    - Writers hold the entry and the stamp in either order, since each may be on a server of its own, and since a
      transaction that has written another entry of the stamp holds it already. They release the entry, then the stamp;
      so does the relay. Either hold may be lost by itself.
    - The server of the entry, that of the stamp, or one that has both, restarts or is replaced (`Scope.fails`).

Abstracted, and why nothing is lost by it
    - The stamp's other entries. Their writers hold the stamp and release it: it is gone meanwhile, and another one
      later. That it expires, which it may do at any time, permits more.
    - Other processes. They act on this one through Redis only, and what a read of theirs from L1 returns was returned
      when it was fetched. So their readers may as well be readers of this process who keep nothing.
    - What a copy rests on is a nonce, not an object: a nonce that the process is given again gives its lease to all
      that rested on it before, which permits more.
    - Where a writer holds the stamp, the answer is that there is none, and ends the lease of the one that was known.
      Here that goes on, which permits more. An answer that comes when its lease is over is as good as none.
    - One script or pipeline for both is two steps without anything between them.
    - A rollback releases the entry first. In the other order it is a history in which the stamp's hold lapses.

A lost hold of the stamp does harm only if it was taken before that of the entry. What rests on a stamp that was made
since then was fetched later still, and after the hold of the entry nobody is given it. So the history that shows why
`Piece.LOST_STAMP_HOLD_DRAINS` is needed begins with the hold of the stamp.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from tests.model.names import THE_SAME, fresh_nonce
from tests.model.releases import ReleaseSteps
from tests.model.scope import Part, Piece
from tests.model.state import (
    NOTHING,
    Does,
    Stamp,
    StampCopy,
    State,
    Step,
    Writer,
    process_of,
    replaced,
    with_writer,
    writer_name,
)


class StampSteps(ReleaseSteps):
    """The steps of asker `a`, and those of writer `w` that concern the stamp."""

    def ask(self, s: State, a: int) -> Iterator[Step]:
        """`stamp.lua`: what there is, or a new one unless a writer holds it."""
        if s.replies[a].nonce != NOTHING or not self.reaches(s, Part.STAMP):
            return
        stamp = s.redis.stamp
        if stamp.nonce != NOTHING:
            yield f"{asker_name(a)}: asks -> {stamp_name(stamp.nonce)}", with_reply(s, a, StampCopy(stamp.nonce))
        elif not stamp.holds:
            nonce = fresh_nonce(s) if self.has(Piece.FRESH_NONCE) else THE_SAME
            after = with_reply(with_stamp(s, replace(stamp, nonce=nonce)), a, StampCopy(nonce))
            yield f"{asker_name(a)}: asks -> {stamp_name(nonce)}, made anew", after

    def keep_stamp(self, s: State, a: int) -> Iterator[Step]:
        """The same nonce again, and the lease begins anew; another one takes the place of what was there."""
        reply, p = s.replies[a], process_of(s, a, s.replies)
        if reply.nonce == NOTHING:
            return
        drained_by = reply.drained_by if self.has(Piece.STAMP_LEASE_FROM_BEFORE_FETCH) else 0
        if s.stamp_copies[p].is_leased and s.stamp_copies[p].nonce == reply.nonce:
            drained_by &= s.stamp_copies[p].drained_by
        after = with_reply(s, a, StampCopy())
        copies = replaced(s.stamp_copies, p, StampCopy(reply.nonce, drained_by))
        yield f"{asker_name(a)}: keeps {stamp_name(reply.nonce)}", replace(after, stamp_copies=copies)

    def hold_stamp(self, s: State, w: int) -> Iterator[Step]:
        if not self.has_stamp or not self.has(Piece.STAMP_IS_HELD):
            return
        writer = s.writers[w]
        does = Does.HOLDS if writer.does is Does.HOLDS_ENTRY else Does.HOLDS_STAMP
        if self.reaches(s, Part.STAMP):
            after = with_stamp(s, Stamp(holds=s.redis.stamp.holds | 1 << w))
            yield f"{writer_name(w)}: holds the stamp", self.after_hold(after, w, does, writer.alone)
        if self.is_refused(s, Part.STAMP):
            text = f"{writer_name(w)}: holds the stamp -> connection refused"
            yield text, self.after_hold(s, w, does, writer.alone)

    def release_stamp(self, s: State, w: int) -> Iterator[Step]:
        writer = s.writers[w]
        if self.has_to_read_back(writer):
            return
        if self.is_refused(s, Part.STAMP):
            after = self.after_release(s, w, self.has(Piece.REFUSED_RELEASE_DRAINS), writer.version)
            yield f"{writer_name(w)}: releases the stamp -> connection refused", after
        yield from self.give_up(s, w, Part.STAMP)
        if self.reaches(s, Part.STAMP):
            lost = self.has(Piece.STAMP_IS_HELD) and not s.redis.stamp.holds & 1 << w
            after = self.after_release(
                self.stamp_released(s, w), w, lost and self.has(Piece.LOST_STAMP_HOLD_DRAINS), writer.version
            )
            yield f"{writer_name(w)}: releases the stamp -> {'lost' if lost else 'ok'}", after

    def stamp_released(self, s: State, w: int) -> State:
        nonce = NOTHING if self.has(Piece.RELEASE_ENDS_STAMP) else s.redis.stamp.nonce
        return with_stamp(s, Stamp(nonce, s.redis.stamp.holds & ~(1 << w)))

    def roll_stamp_back(self, s: State, w: int) -> Iterator[Step]:
        """In this order too, though any would do: a stamp's hold may lapse before, and its value expire."""
        if self.reaches(s, Part.STAMP):
            after = with_writer(self.stamp_released(s, w), w, Writer())
            yield f"{writer_name(w)}: releases the stamp after its rollback", after

    def relay_stamp(self, s: State, w: int) -> Iterator[Step]:
        """It leaves a stamp that a writer holds as it is: whoever held it has ended it."""
        if self.reaches(s, Part.STAMP):
            after = s if s.redis.stamp.holds else with_stamp(s, replace(s.redis.stamp, nonce=NOTHING))
            text = f"relay: invalidates the stamp for v{s.writers[w].version} of {writer_name(w)}"
            yield text, self.after_release(after, w, lost=True, told=s.writers[w].version)


def asker_name(a: int) -> str:
    return f"asker {'ABC'[a]}"


def stamp_name(nonce: int) -> str:
    return "the only stamp" if nonce == THE_SAME else f"stamp {nonce}"


def with_reply(s: State, a: int, reply: StampCopy) -> State:
    return replace(s, replies=replaced(s.replies, a, reply))


def with_stamp(s: State, stamp: Stamp) -> State:
    return replace(s, redis=replace(s.redis, stamp=stamp))
