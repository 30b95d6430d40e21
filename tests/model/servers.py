"""What befalls Redis: keys that expire, restarts, and replicas that take over."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from tests.model.scope import Piece, Rules
from tests.model.state import HAS_LEFT, NOTHING, Others, Redis, Server, State, Step, writer_name


class ServerSteps(Rules):
    """The steps of Redis."""

    def expire(self, s: State) -> Iterator[Step]:
        redis = s.redis
        if redis.value != NOTHING:
            yield "Redis: the value expires", replace(s, redis=replace(redis, value=NOTHING))
        if redis.lease != NOTHING:
            yield "Redis: the lease expires", replace(s, redis=replace(redis, lease=NOTHING))
        if redis.last_holder != NOTHING:
            yield "Redis: the last holder expires", replace(s, redis=replace(redis, last_holder=NOTHING))
        for w, writer in enumerate(s.writers):
            if redis.holds & 1 << w and (self.scope.holds_get_lost or writer.does in HAS_LEFT):
                after = replace(s, redis=replace(redis, holds=redis.holds & ~(1 << w)))
                yield f"Redis: the hold of {writer_name(w)} lapses", after
        if self.scope.holds_get_lost:
            yield "Redis: FLUSHALL", replace(s, redis=Redis())

    def save_snapshot(self, s: State) -> Iterator[Step]:
        if s.restarts_left and self.scope.snapshots and s.snapshot is None and s.redis != Redis():
            yield "Redis: saves a snapshot", replace(s, snapshot=s.redis)

    def go_down(self, s: State) -> Iterator[Step]:
        if s.restarts_left:
            redis = Redis() if self.has(Piece.REFUSED_MEANS_GONE) else s.redis
            after = replace(s, redis=replace(redis, server=Server.DOWN), restarts_left=s.restarts_left - 1)
            yield "Redis: refuses connections", after

    def restart(self, s: State) -> Iterator[Step]:
        if not self.has(Piece.REFUSED_MEANS_GONE):
            yield "Redis: is back as it was", replace(s, redis=replace(s.redis, server=Server.UP))
            return
        server = Server.RESTARTED if self.has(Piece.RUN_ID_GUARD) else Server.UP
        snapshot = s.snapshot if s.restarts_left else None
        yield "Redis: restarts, empty", replace(s, redis=Redis(server=server), snapshot=snapshot)
        if s.snapshot is not None:
            redis = replace(s.snapshot, server=server)
            yield "Redis: restarts from its snapshot", replace(s, redis=redis, snapshot=snapshot)

    def purge(self, s: State) -> Iterator[Step]:
        """All connections are new after a restart, and each does this before anything else."""
        yield "Redis: a new connection finds another run id and purges", replace(s, redis=self.purged(s))

    def purged(self, s: State) -> Redis:
        return Redis() if self.has(Piece.PURGE_ENDS_HOLDS) else Redis(holds=s.redis.holds)

    # A primary and its replica

    def replicate(self, s: State) -> Iterator[Step]:
        """The replica may lag by any number of commands: this happens at any time, or never."""
        others = s.others
        if others and others.failovers_left and others.former is None and others.replica != s.redis:
            yield "Redis: the replica has all its primary has", replace(s, others=replace(others, replica=s.redis))

    def take_over(self, s: State) -> Iterator[Step]:
        """The former primary goes on answering whoever compared it before, for a second at most; or it is dead."""
        others = s.others
        if others and others.failovers_left and others.replica is not None and others.former is None:
            is_known = not self.has(Piece.REPLICATION_ID) and others.failovers_left < self.scope.failovers
            server = Server.UP if is_known else Server.TOOK_OVER
            after = Others(others.failovers_left - 1, None, former=s.redis)
            redis = replace(others.replica, server=server)
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
