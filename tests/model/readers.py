"""What a reader does: L1, `GET`, claim, load, fill."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from tests.model.scope import Piece, Rules
from tests.model.state import NOTHING, Copy, Does, Reader, Server, State, Step, reader_name, replaced, with_reader


class ReaderSteps(Rules):
    """The steps of reader `r`."""

    def returned(self, s: State, version: int) -> State:
        if version < s.floor:
            return replace(s, broken=True)
        return replace(s, floor=version) if self.scope.linearizable else s

    def read_l1(self, s: State, r: int) -> Iterator[Step]:
        version = s.copies[self.scope.processes[r]].version
        if version != NOTHING:
            yield f"{reader_name(r)}: reads v{version} from its L1", self.returned(s, version)

    def look_up(self, s: State, r: int) -> Iterator[Step]:
        """`GET`, then `claim`, over a value too. Without value or lease what is left is `read_database`."""
        redis = s.redis
        if redis.server is not Server.UP:
            return
        if redis.value != NOTHING:
            after = with_reader(s, r, Reader(Does.HAS_REPLY, redis.value))
            yield f"{reader_name(r)}: looks up -> reads v{redis.value} from Redis", self.returned(after, redis.value)
        if not redis.holds and redis.lease == NOTHING:
            after = with_reader(s, r, Reader(Does.HAS_LEASE))
            why = "claims" if redis.value == NOTHING else "claims, to renew the value"
            yield f"{reader_name(r)}: {why} -> lease", replace(after, redis=replace(redis, lease=r))

    def read_database(self, s: State, r: int) -> Iterator[Step]:
        if self.scope.linearizable:
            text = f"{reader_name(r)}: bypasses the cache, reads v{s.committed} from the database"
            yield text, self.returned(s, s.committed)

    def load(self, s: State, r: int) -> Iterator[Step]:
        after = with_reader(s, r, Reader(Does.HAS_ROW, s.committed))
        yield f"{reader_name(r)}: reads v{s.committed} from the database", self.returned(after, s.committed)

    def fill(self, s: State, r: int) -> Iterator[Step]:
        redis, version = s.redis, s.readers[r].version
        if redis.server is not Server.UP:
            return
        if redis.lease == r or (not self.has(Piece.FILL_LEASE) and not redis.holds):
            after = with_reader(s, r, Reader(Does.HAS_REPLY, version))
            redis = replace(redis, value=version, lease=NOTHING)
            yield f"{reader_name(r)}: fills v{version} -> stored", replace(after, redis=redis)
        else:
            yield f"{reader_name(r)}: fills v{version} -> refused", with_reader(s, r, Reader())

    def put(self, s: State, r: int) -> Iterator[Step]:
        reader = s.readers[r]
        drained_by = reader.drained_by if self.has(Piece.LEASE_FROM_BEFORE_FETCH) else 0
        copies = replaced(s.copies, self.scope.processes[r], Copy(reader.version, drained_by))
        after = replace(with_reader(s, r, Reader()), copies=copies)
        yield f"{reader_name(r)}: keeps v{reader.version} in its L1", after
