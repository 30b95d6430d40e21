"""What befalls Redis: keys that expire, restarts, and replicas that take over."""

from collections.abc import Iterator

from msgspec.structs import replace

from tests.model.scope import Part, Piece, Rules
from tests.model.state import HAS_LEFT, NOTHING, Others, Redis, Server, Stamp, State, Step, writer_name


class ServerSteps(Rules):
    """The steps of Redis."""

    def expire(self, s: State) -> Iterator[Step]:
        if self.reaches(s, Part.ENTRY):
            yield from self.expire_entry(s)
        if self.has_stamp and self.reaches(s, Part.STAMP):
            yield from self.expire_stamp(s)
        if self.scope.holds_get_lost and s.redis.server is Server.UP:
            yield "Redis: FLUSHALL", replace(s, redis=Redis())

    def expire_entry(self, s: State) -> Iterator[Step]:
        redis = s.redis
        if redis.value != NOTHING:
            yield "Redis: the value expires", replace(s, redis=replace(redis, value=NOTHING))
        if redis.lease != NOTHING:
            yield "Redis: the lease expires", replace(s, redis=replace(redis, lease=NOTHING))
        if redis.last_holder != NOTHING:
            yield "Redis: the last holder expires", replace(s, redis=replace(redis, last_holder=NOTHING))
        for w in self.lapsing(s, redis.holds):
            after = replace(s, redis=replace(redis, holds=redis.holds & ~(1 << w)))
            yield f"Redis: the hold of {writer_name(w)} lapses", after

    def expire_stamp(self, s: State) -> Iterator[Step]:
        redis, stamp = s.redis, s.redis.stamp
        if stamp.nonce != NOTHING:
            yield "Redis: the stamp expires", replace(s, redis=replace(redis, stamp=replace(stamp, nonce=NOTHING)))
        for w in self.lapsing(s, stamp.holds):
            after = replace(s, redis=replace(redis, stamp=replace(stamp, holds=stamp.holds & ~(1 << w))))
            yield f"Redis: the hold of {writer_name(w)} on the stamp lapses", after

    def lapsing(self, s: State, holds: int) -> Iterator[int]:
        for w, writer in enumerate(s.writers):
            if holds & 1 << w and (self.scope.holds_get_lost or writer.does in HAS_LEFT):
                yield w

    def save_snapshot(self, s: State) -> Iterator[Step]:
        if s.restarts_left and self.scope.snapshots and s.snapshot is None and self.kept(s) != Redis():
            yield "Redis: saves a snapshot", replace(s, snapshot=self.kept(s))

    def go_down(self, s: State) -> Iterator[Step]:
        if s.restarts_left:
            redis = Redis() if self.has(Piece.REFUSED_MEANS_GONE) else s.redis
            redis = self.instead(s, replace(redis, server=Server.DOWN))
            yield "Redis: refuses connections", replace(s, redis=redis, restarts_left=s.restarts_left - 1)

    def restart(self, s: State) -> Iterator[Step]:
        if not self.has(Piece.REFUSED_MEANS_GONE):
            yield "Redis: is back as it was", replace(s, redis=replace(s.redis, server=Server.UP))
            return
        server = Server.RESTARTED if self.has(Piece.RUN_ID_GUARD) else Server.UP
        snapshot = s.snapshot if s.restarts_left else None
        redis = self.instead(s, Redis(server=server))
        yield "Redis: restarts, empty", replace(s, redis=redis, snapshot=snapshot)
        if s.snapshot is not None:
            redis = self.instead(s, replace(s.snapshot, server=server))
            yield "Redis: restarts from its snapshot", replace(s, redis=redis, snapshot=snapshot)

    def purge(self, s: State) -> Iterator[Step]:
        """All connections are new after a restart, and each does this before anything else."""
        yield "Redis: a new connection finds another run id and purges", replace(s, redis=self.purged(s))

    def purged(self, s: State) -> Redis:
        redis = Redis()
        if not self.has(Piece.STAMP_IS_PURGED):
            redis = Redis(stamp=Stamp(s.redis.stamp.nonce))
        if not self.has(Piece.PURGE_ENDS_HOLDS):
            redis = Redis(holds=s.redis.holds, stamp=Stamp(holds=s.redis.stamp.holds))
        return self.instead(s, redis)

    def instead(self, s: State, redis: Redis) -> Redis:
        """What clients find when the server that fails is this one: what fails is there, what does not is as it was."""
        if Part.STAMP not in self.scope.fails:
            return replace(redis, stamp=s.redis.stamp)
        if Part.ENTRY not in self.scope.fails:
            return replace(s.redis, stamp=redis.stamp, server=redis.server)
        return redis

    def kept(self, s: State) -> Redis:
        """What the server that fails has."""
        if Part.STAMP not in self.scope.fails:
            return replace(s.redis, stamp=Stamp())
        if Part.ENTRY not in self.scope.fails:
            return Redis(stamp=s.redis.stamp, server=s.redis.server)
        return s.redis

    # A primary and its replica

    def replicate(self, s: State) -> Iterator[Step]:
        """The replica may lag by any number of commands: this happens at any time, or never."""
        others = s.others
        if others and others.failovers_left and others.former is None and others.replica != self.kept(s):
            after = replace(s, others=replace(others, replica=self.kept(s)))
            yield "Redis: the replica has all its primary has", after

    def take_over(self, s: State) -> Iterator[Step]:
        """The former primary goes on answering whoever compared it before, for a second at most; or it is dead."""
        others = s.others
        if others and others.failovers_left and others.replica is not None and others.former is None:
            is_known = not self.has(Piece.REPLICATION_ID) and others.failovers_left < self.scope.failovers
            server = Server.UP if is_known else Server.TOOK_OVER
            after = Others(others.failovers_left - 1, None, former=self.kept(s))
            redis = self.instead(s, replace(others.replica, server=server))
            yield "Redis: the replica takes over", replace(s, redis=redis, others=after)

    def purge_successor(self, s: State) -> Iterator[Step]:
        server = Server.PURGED if self.has(Piece.SUCCESSOR_WAITS) else Server.UP
        if self.has(Piece.SUCCESSOR_IS_PURGED):
            redis = replace(self.purged(s), server=server)
            yield "Redis: a connection finds another run and purges", replace(s, redis=redis)
        else:
            yield "Redis: a connection finds another run", replace(s, redis=replace(s.redis, server=server))

    def end_trust(self, s: State) -> Iterator[Step]:
        """A second after its purge the successor is used. By then every connection has compared its server anew."""
        if s.others is None or s.others.former is None:
            return
        used = replace(s, redis=replace(s.redis, server=Server.UP))
        after = replace(used, others=replace(s.others, former=None))
        yield "Redis: a second later no connection trusts the former primary", after
        if not self.has(Piece.FORMER_IS_LEFT) and s.redis.server is Server.PURGED:
            yield "Redis: a second later the former primary still passes comparisons", used

    def with_former_in_use(self, s: State) -> State:
        """The same with the two servers in each other's place; applied twice, it is undone."""
        assert s.others is not None
        assert s.others.former is not None
        return replace(s, redis=self.instead(s, s.others.former), others=replace(s.others, former=self.kept(s)))
