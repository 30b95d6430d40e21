"""What a writer does: hold, drain, change, commit, release; and the relay, for one that has left."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from tests.model.scope import Piece, Rules
from tests.model.state import (
    NOTHING,
    Copy,
    Does,
    Reader,
    Server,
    State,
    Step,
    Writer,
    acknowledged,
    drain_begun,
    drain_forgotten,
    held,
    with_writer,
    writer_name,
)


class WriterSteps(Rules):
    """The steps of writer `w`."""

    def hold(self, s: State, w: int) -> Iterator[Step]:
        if not self.has(Piece.HOLD):
            yield from self.change(s, w)
        elif s.redis.server is Server.UP:
            alone = not s.redis.holds or self.missing in (Piece.ALONE, Piece.ALONE_EARLIER)
            said = "not alone" if s.redis.holds else "alone"
            yield f"{writer_name(w)}: holds -> {said}", self.after_hold(held(s, w), w, alone)
        if self.is_refused(s):
            yield f"{writer_name(w)}: holds -> connection refused", self.after_hold(s, w, alone=False)

    def is_refused(self, s: State) -> bool:
        """Whether the writer takes the server for gone; it may not know yet that another has taken over."""
        if s.others and not self.has(Piece.REFUSED_PROVES_NOTHING):
            return s.others.former is None and s.others.failovers_left < self.scope.failovers
        return s.redis.server is Server.DOWN

    def after_hold(self, s: State, w: int, alone: bool) -> State:
        if not self.has(Piece.DRAIN):
            return with_writer(s, w, Writer(Does.MAY_CHANGE, alone))
        return with_writer(drain_begun(s, w), w, Writer(Does.DRAINS, alone))

    def hold_again(self, s: State, w: int) -> Iterator[Step]:
        """Retried by the client, or to renew the hold: nothing tells it from the first run."""
        if s.redis.server is Server.UP and s.writers[w].does not in (Does.NOTHING, Does.DONE):
            yield f"{writer_name(w)}: its hold command runs a second time", held(s, w)

    def drain(self, s: State, w: int) -> Iterator[Step]:
        after = with_writer(self.drain_ended(s, w), w, Writer(Does.MAY_CHANGE, s.writers[w].alone))
        yield f"{writer_name(w)}: has drained", after

    def change(self, s: State, w: int) -> Iterator[Step]:
        if row_is_free(s):
            yield f"{writer_name(w)}: changes the row", with_writer(s, w, Writer(Does.CHANGED, s.writers[w].alone))

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
        """Where the release is refused, the hold lapses, if there is one: as if the writer was killed."""
        if s.redis.server is Server.UP:
            after = self.released(s, w, NOTHING)
            yield f"{writer_name(w)}: rolls back and releases", with_writer(after, w, Writer())
            if self.missing is Piece.COMMIT_IN_DOUBT_KEEPS_HOLD and s.writers[w].does is Does.CHANGED:
                yield f"{writer_name(w)}: loses the connection during COMMIT, releases", after

    def read_row_back(self, s: State, w: int) -> Iterator[Step]:
        writer = s.writers[w]
        if writer.alone:
            after = with_writer(s, w, replace(writer, does=Does.READ_BACK, read_back=s.committed))
            yield f"{writer_name(w)}: reads back v{s.committed}", after

    def release(self, s: State, w: int) -> Iterator[Step]:
        """Tells of all that was committed before, by anyone: the writer takes it off the outbox with its own change."""
        writer = s.writers[w]
        if writer.does is Does.COMMITTED and writer.alone:
            return
        if self.is_refused(s):
            after = self.after_release(s, w, self.has(Piece.REFUSED_RELEASE_DRAINS), writer.version)
            yield f"{writer_name(w)}: releases -> connection refused", after
        if s.redis.server is not Server.UP and s.others and s.others.former and s.others.former.holds & 1 << w:
            text = f"{writer_name(w)}: releases -> no answer in time, leaves it to the relay"
            yield text, self.after_release(s, w, lost=True, told=writer.version)
        if s.redis.server is Server.UP:
            lost = not s.redis.holds & 1 << w
            if lost and self.missing is Piece.REFUSED_HOLD_IS_TOLD:
                text = f"{writer_name(w)}: finds Redis silent and gives up, since it has no hold there"
                yield text, self.after_release(s, w, lost=True, told=writer.version)
            after = self.released(s, w, writer.read_back)
            stored = "" if after.redis.value == NOTHING else f", stores v{after.redis.value}"
            told = writer.read_back if writer.alone else s.committed
            after = self.after_release(after, w, lost and self.has(Piece.LATE_DRAIN), told)
            yield f"{writer_name(w)}: releases -> {'lost' if lost else 'ok'}{stored}", after

    def released(self, s: State, w: int, offered: int) -> State:
        redis = replace(s.redis, value=NOTHING, lease=NOTHING)
        if redis.holds & 1 << w:
            alone_since = redis.last_holder == w or self.missing in (Piece.ALONE, Piece.ALONE_LATER)
            redis = replace(redis, value=offered if alone_since else NOTHING, holds=redis.holds & ~(1 << w))
        elif self.has(Piece.LOST_HOLD_ENDS_ALONENESS):
            redis = replace(redis, last_holder=NOTHING)
        return replace(s, redis=redis)

    def after_release(self, s: State, w: int, lost: bool, told: int) -> State:
        if lost:
            return with_writer(drain_begun(s, w), w, Writer(Does.DRAINS_LATE, version=told))
        return acknowledged(s, w, told)

    def drain_late(self, s: State, w: int) -> Iterator[Step]:
        yield (
            f"{writer_name(w)}: has drained, is acknowledged",
            acknowledged(self.drain_ended(s, w), w, s.writers[w].version),
        )

    def kill(self, s: State, w: int) -> Iterator[Step]:
        writer = s.writers[w]
        left = Writer(Does.DEAD) if writer.version == NOTHING else Writer(Does.IN_OUTBOX, version=writer.version)
        waits = writer.does in (Does.DRAINS, Does.DRAINS_LATE)
        yield f"{writer_name(w)}: is killed", with_writer(drain_forgotten(s, w) if waits else s, w, left)

    def relay(self, s: State, w: int) -> Iterator[Step]:
        """Invalidates for a writer that left its outbox row; once `L` has passed, nobody may read anything older."""
        if s.redis.server is Server.UP:
            redis = replace(s.redis, value=NOTHING, lease=NOTHING)
            if self.has(Piece.INVALIDATE_ENDS_ALONENESS):
                redis = replace(redis, last_holder=NOTHING)
            after = self.after_release(replace(s, redis=redis), w, lost=True, told=s.committed)
            yield f"relay: invalidates for v{s.writers[w].version} of {writer_name(w)}", after

    def drain_ended(self, s: State, w: int) -> State:
        """Nothing is left in any L1 that was fetched before the drain began, nor will be put there."""
        copies = tuple(Copy() if copy.drained_by & 1 << w else copy for copy in s.copies)
        readers = s.readers
        if self.has(Piece.LEASE_FROM_BEFORE_FETCH):
            readers = tuple(Reader() if reader.drained_by & 1 << w else reader for reader in readers)
        return replace(s, copies=copies, readers=readers)


def row_is_free(s: State) -> bool:
    return all(writer.does is not Does.CHANGED for writer in s.writers)
