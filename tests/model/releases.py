"""What follows a commit, until it is acknowledged: the writer reads back and releases, or the relay invalidates."""

from collections.abc import Iterator

from msgspec.structs import replace

from tests.model.scope import Part, Piece
from tests.model.state import NOTHING, Does, Server, State, Step, Writer, acknowledged, with_writer, writer_name
from tests.model.writers import WriterSteps, drain_begun


class ReleaseSteps(WriterSteps):
    """The steps of writer `w`, and of the relay for one that has left."""

    def read_row_back(self, s: State, w: int) -> Iterator[Step]:
        writer = s.writers[w]
        if writer.alone:
            after = with_writer(s, w, replace(writer, does=Does.READ_BACK, read_back=s.committed))
            yield f"{writer_name(w)}: reads back v{s.committed}", after

    def has_to_read_back(self, writer: Writer) -> bool:
        return writer.does is Does.COMMITTED and writer.alone

    def release(self, s: State, w: int) -> Iterator[Step]:
        """Tells of all that was committed before, by anyone: the writer takes it off the outbox with its own change."""
        writer = s.writers[w]
        if self.has_to_read_back(writer):
            return
        if self.is_refused(s, Part.ENTRY):
            after = self.after_release(s, w, self.has(Piece.REFUSED_RELEASE_DRAINS), writer.version)
            yield f"{writer_name(w)}: releases -> connection refused", after
        yield from self.give_up(s, w, Part.ENTRY)
        if self.reaches(s, Part.ENTRY):
            lost = not s.redis.holds & 1 << w
            if lost and self.missing is Piece.REFUSED_HOLD_IS_TOLD:
                text = f"{writer_name(w)}: finds Redis silent and gives up, since it has no hold there"
                yield text, self.left_to_relay(s, w)
            after = self.released(s, w, writer.read_back)
            stored = "" if after.redis.value == NOTHING else f", stores v{after.redis.value}"
            told = writer.read_back if writer.alone else s.committed
            after = self.after_release(after, w, lost and self.has(Piece.LATE_DRAIN), told)
            yield f"{writer_name(w)}: releases -> {'lost' if lost else 'ok'}{stored}", after

    def give_up(self, s: State, w: int, part: Part) -> Iterator[Step]:
        """While its holds are there: nobody is served from the former primary, and its successor will be purged."""
        former = s.others.former if s.others else None
        if former is None or s.redis.server is Server.UP or part not in self.scope.fails:
            return
        keeps_entry = part is Part.STAMP or former.holds & 1 << w
        stamp = former.stamp if Part.STAMP in self.scope.fails else s.redis.stamp
        if keeps_entry and (not self.has_stamp or stamp.holds & 1 << w):
            text = f"{writer_name(w)}: releases -> no answer in time, leaves it to the relay"
            yield text, self.left_to_relay(s, w)

    def left_to_relay(self, s: State, w: int) -> State:
        return with_writer(drain_begun(s, w), w, Writer(Does.DRAINS_LATE, version=s.writers[w].version))

    def after_release(self, s: State, w: int, lost: bool, told: int) -> State:
        """After that of the entry or of the stamp, whichever came first, the other one follows."""
        writer = s.writers[w]
        is_second = writer.does in (Does.HALF_RELEASED, Does.HALF_RELAYED)
        if self.has_stamp and not is_second and not self.forgets_stamp(writer):
            if lost and not self.has(Piece.LATE_DRAIN_AFTER_BOTH):
                s = drain_begun(s, w)
            does = Does.HALF_RELAYED if writer.does is Does.IN_OUTBOX else Does.HALF_RELEASED
            return with_writer(s, w, replace(writer, does=does, version=told, lost=lost))
        if not lost and not writer.lost:
            return acknowledged(s, w, told)
        if not writer.lost or self.has(Piece.LATE_DRAIN_AFTER_BOTH):
            s = drain_begun(s, w)
        return with_writer(s, w, Writer(Does.DRAINS_LATE, version=told))

    def forgets_stamp(self, writer: Writer) -> bool:
        return writer.does is Does.IN_OUTBOX and not self.has(Piece.STAMP_INVALIDATED)

    def drain_late(self, s: State, w: int) -> Iterator[Step]:
        yield (
            f"{writer_name(w)}: has drained, is acknowledged",
            acknowledged(self.drain_ended(s, w), w, s.writers[w].version),
        )

    def relay(self, s: State, w: int) -> Iterator[Step]:
        """Invalidates for a writer that left its outbox row; once `L` has passed, nobody may read anything older."""
        if self.reaches(s, Part.ENTRY):
            redis = replace(s.redis, value=NOTHING, lease=NOTHING)
            if self.has(Piece.INVALIDATE_ENDS_ALONENESS):
                redis = replace(redis, last_holder=NOTHING)
            after = self.after_release(replace(s, redis=redis), w, lost=True, told=s.committed)
            yield f"relay: invalidates for v{s.writers[w].version} of {writer_name(w)}", after
