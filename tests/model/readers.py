"""What a reader does: L1, `GET`, claim, load, fill."""

from collections.abc import Iterator

from msgspec.structs import replace

from tests.model.names import NOT_SAID
from tests.model.scope import Part, Piece, Rules
from tests.model.state import (
    NOTHING,
    Copy,
    Does,
    Reader,
    State,
    Step,
    process_of,
    reader_name,
    replaced,
    with_reader,
)


class ReaderSteps(Rules):
    """The steps of reader `r`."""

    def returned(self, s: State, version: int) -> State:
        if version < s.floor:
            return replace(s, broken=True)
        return replace(s, floor=version) if self.scope.linearizable else s

    def read_l1(self, s: State, r: int) -> Iterator[Step]:
        copy = s.copies[process_of(s, r, s.readers)]
        if copy.is_leased:
            yield f"{reader_name(r)}: reads v{copy.version} from its L1", self.returned(s, copy.version)
        elif copy.version != NOTHING and copy.rests_on == self.stamp_had(s, r):
            text = f"{reader_name(r)}: reads v{copy.version} from its L1, by its stamp"
            yield text, self.returned(s, copy.version)

    def stamp_had(self, s: State, r: int) -> int:
        """The nonce of the stamp that the process has, with its local lease."""
        if not self.has_stamp:
            return NOTHING
        copy = s.stamp_copies[process_of(s, r, s.readers)]
        return copy.nonce if copy.is_leased else NOTHING

    def note_stamp(self, s: State, r: int) -> Iterator[Step]:
        """Before its command is sent; that the command runs later, when the stamp may be another, is a step."""
        nonce = self.stamp_had(s, r) if self.has(Piece.STAMP_BEFORE_VALUE) else NOT_SAID
        if self.has_stamp and nonce not in (NOTHING, s.readers[r].rests_on):
            after = with_reader(s, r, replace(s.readers[r], rests_on=nonce))
            yield f"{reader_name(r)}: notes its stamp, sends its command", after

    def look_up(self, s: State, r: int) -> Iterator[Step]:
        """`GET`, then `claim`, over a value too. Without value or lease what is left is `read_database`."""
        redis, rests_on = s.redis, s.readers[r].rests_on
        if not self.reaches(s, Part.ENTRY):
            return
        if redis.value != NOTHING:
            after = with_reader(s, r, Reader(Does.HAS_REPLY, redis.value, rests_on=rests_on))
            yield f"{reader_name(r)}: looks up -> reads v{redis.value} from Redis", self.returned(after, redis.value)
        if not redis.holds and redis.lease == NOTHING:
            after = with_reader(s, r, Reader(Does.HAS_LEASE, rests_on=rests_on))
            why = "claims" if redis.value == NOTHING else "claims, to renew the value"
            yield f"{reader_name(r)}: {why} -> lease", replace(after, redis=replace(redis, lease=r))

    def read_database(self, s: State, r: int) -> Iterator[Step]:
        if self.scope.linearizable:
            text = f"{reader_name(r)}: bypasses the cache, reads v{s.committed} from the database"
            yield text, self.returned(s, s.committed)

    def load(self, s: State, r: int) -> Iterator[Step]:
        after = with_reader(s, r, Reader(Does.HAS_ROW, s.committed, rests_on=s.readers[r].rests_on))
        yield f"{reader_name(r)}: reads v{s.committed} from the database", self.returned(after, s.committed)

    def fill(self, s: State, r: int) -> Iterator[Step]:
        redis, reader = s.redis, s.readers[r]
        if not self.reaches(s, Part.ENTRY):
            return
        if redis.lease == r or (not self.has(Piece.FILL_LEASE) and not redis.holds):
            after = with_reader(s, r, replace(reader, does=Does.HAS_REPLY))
            redis = replace(redis, value=reader.version, lease=NOTHING)
            yield f"{reader_name(r)}: fills v{reader.version} -> stored", replace(after, redis=redis)
        else:
            yield f"{reader_name(r)}: fills v{reader.version} -> refused", with_reader(s, r, Reader())

    def put(self, s: State, r: int) -> Iterator[Step]:
        """A copy of the same version is verified: what that rested on it goes on resting on."""
        reader, p = s.readers[r], process_of(s, r, s.readers)
        drained_by = reader.drained_by if self.has(Piece.LEASE_FROM_BEFORE_FETCH) else 0
        rests_on = self.stamp_had(s, r) if reader.rests_on == NOT_SAID else reader.rests_on
        if rests_on == NOTHING and s.copies[p].version == reader.version:
            rests_on = s.copies[p].rests_on
        copy = Copy(reader.version, drained_by, reader.ended, rests_on)
        if copy.is_leased or rests_on != NOTHING:
            after = replace(with_reader(s, r, Reader()), copies=replaced(s.copies, p, copy))
            yield f"{reader_name(r)}: keeps v{reader.version} in its L1", after
