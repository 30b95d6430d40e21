"""
Every history of the coherence protocol, searched for a stale read.

An explicit-state model checker (breadth first, exhaustive) of one cache key. A state is what everyone knows at one
moment; `Protocol.steps` says what can happen next; `search` visits every state that can be reached and stops at the
first read that breaks the promise, with the shortest history that leads there. Take a `Piece` away and it must find
one.

Modelled
    - The database: how many writes are committed. A version is its place in commit order. One writer at a time has
      the row.
    - Redis: value, fill lease, holds, last holder, and whether its run id is the recorded one. At any time each of them
      may expire, all may be flushed, a snapshot may be saved, and Redis may go down and come back with nothing or with
      that snapshot.
    - Readers, any number of reads each, in processes that have an L1, shared or not.
    - Writers that save (hold, drain, change, commit, read back, release, drain again if the hold was lost), roll back
      and try again, are killed between any two steps, or change the row behind Django's back. What was committed and
      not acknowledged is in the outbox: it counts as acknowledged when the relay has invalidated and `L` has passed, or
      when a later release has taken it off.

Promised
    - No stale read: a read that starts after a write was acknowledged does not return an older version.
    - Linearizable (`Scope.linearizable`), while no living writer loses its hold: a read that starts after another read
      has returned a version does not return an older one either, whoever was killed.

Abstracted, and why nothing is lost by it
    - Time. A copy in L1 may be used or ignored at any time, so its expiry needs no step. A drain ends by making
      unusable every copy whose Redis command ran before the drain began, which is all that waiting `L` gives: the local
      lease counts from before its command was sent, so from when it ran at the latest, and the drain from after the
      hold ran, so from when it ran at the earliest.
    - A read starts when its first effective step runs, since starting earlier only permits more. So `GET` followed by
      `claim` is one step: a read that missed and then claims permits no less than a read that starts at its claim.
    - A read is finished when it knows its value, since finishing later only permits more. What remains of it then, to
      fill and to put in L1, are steps of their own, which may come late or never.
    - A read that bypasses, waits in vain for another's fill, or finds Redis silent returns the newest committed
      version. It is a step only where others must not return anything older afterwards.
    - Late commands. A late claim or fill is a slow reader; a late release or invalidation is an expiry; a late hold is
      a killed writer, because each attempt has its own id (`Piece.FRESH_HOLD_ID`).
    - The last known value, served while the database is away, is stored and deleted with the value, by the same
      scripts: a history in which it is read is one in which the value itself had not expired.
    - Schema versions share holds and last holder, and every script that ends a value or lease ends those of versions
      beside it: for a writer their readers are readers like others. `tests/interleavings` has both in full.
    - Readers are alike, and so are writers: of states that differ by their names only, one is visited.
"""

import gc
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from operator import le
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

T = TypeVar("T")

NOTHING = -1  # no value, no lease, no last holder


class Piece(StrEnum):
    """What the promise rests on: the design's table, then how its pieces must be done and what they assume."""

    FILL_LEASE = "fill lease"
    HOLD = "hold before commit"
    DRAIN = "drain"
    LATE_DRAIN = "late drain"
    ALONE = "alone test"
    LOST_HOLD_ENDS_ALONENESS = "a lost hold ends everyone's aloneness"
    RUN_ID_GUARD = "run-id guard"

    ALONE_EARLIER = "alone test: no other hold when ours was taken"
    ALONE_LATER = "alone test: no other hold since ours was taken"
    LEASE_FROM_BEFORE_FETCH = "local lease counted from before the fetch"
    FRESH_HOLD_ID = "each attempt to hold has its own id"
    INVALIDATE_ENDS_ALONENESS = "invalidate ends everyone's aloneness"
    REFUSED_RELEASE_DRAINS = "a release whose connection is refused is a lost hold"
    REFUSED_HOLD_IS_TOLD = "a write whose hold was refused waits until Redis has been told of it"
    REFUSED_MEANS_GONE = "a server that refuses connections comes back with another run id"
    COMMIT_IN_DOUBT_KEEPS_HOLD = "a commit whose outcome is unknown keeps its hold"


TABLE = tuple(Piece)[:7]
DETAILS = tuple(Piece)[7:]


@dataclass(frozen=True)
class Scope:
    """How much may happen; every history within it is searched."""

    linearizable: bool = False
    writers: int = 2
    processes: tuple[int, ...] = (0, 1)  # of each reader: all different or all the same
    holds_get_lost: bool = True
    behind_django: bool = True
    restarts: int = 0
    snapshots: bool = True


class Server(StrEnum):
    UP = "up"
    DOWN = "down"
    RESTARTED = "restarted"  # its run id is not the recorded one


class Known(Struct, frozen=True, order=True, cache_hash=True):
    """Part of a state, or one: compared, hashed once and copied with changes by msgspec, in C."""


class Redis(Known):
    value: int = NOTHING
    lease: int = NOTHING  # the reader who has it
    holds: int = 0  # a bit for each writer
    last_holder: int = NOTHING
    server: Server = Server.UP


class Does(StrEnum):
    NOTHING = "nothing"
    # a reader
    HAS_LEASE = "has the lease"
    HAS_ROW = "has the lease and the row"
    HAS_REPLY = "has a value it may put in L1"
    # a writer
    DRAINS = "waits L before its change"
    MAY_CHANGE = "may change the row"
    CHANGED = "has changed the row"
    COMMITTED = "has committed"
    READ_BACK = "has read its row back"
    DRAINS_LATE = "waits L before its change counts as acknowledged"
    IN_OUTBOX = "has committed and left; the relay will see it"
    DONE = "has returned"
    DEAD = "was killed before its commit"


HAS_LEFT = (Does.DEAD, Does.IN_OUTBOX, Does.DRAINS_LATE, Does.DONE)  # with its hold in place: it was killed


class Reader(Known):
    does: Does = Does.NOTHING
    version: int = NOTHING
    drained_by: int = 0  # as for `Copy`


class Copy(Known):
    """An entry of an L1."""

    version: int = NOTHING
    drained_by: int = 0  # a bit for each writer whose drain, now under way, it will not outlive


class Writer(Known):
    does: Does = Does.NOTHING
    alone: bool = False
    version: int = NOTHING
    read_back: int = NOTHING


class State(Known):
    committed: int
    floor: int  # the oldest version that a read starting now may return
    redis: Redis
    readers: tuple[Reader, ...]
    copies: tuple[Copy, ...]
    writers: tuple[Writer, ...]
    snapshot: Redis | None = None
    restarts_left: int = 0
    broken: bool = False  # the last step was a read that returned something older than `floor`


Step = tuple[str, State]


class Protocol:
    """The steps of the protocol, one function each: what it says in words, and the state after it."""

    def __init__(self, scope: Scope, missing: Piece | None = None) -> None:
        self.scope = scope
        self.missing = missing
        self.start = State(
            committed=0,
            floor=0,
            redis=Redis(),
            readers=(Reader(),) * len(scope.processes),
            copies=(Copy(),) * len(set(scope.processes)),
            writers=(Writer(),) * scope.writers,
            restarts_left=scope.restarts,
        )
        self.reader_steps = {
            Does.NOTHING: (self.read_l1, self.look_up, self.read_database),
            Does.HAS_LEASE: (self.load,),
            Does.HAS_ROW: (self.fill,),
            Does.HAS_REPLY: (self.put,),
        }
        self.writer_steps = {
            Does.NOTHING: (self.hold, self.change_behind_django),
            Does.DRAINS: (self.drain, self.kill),
            Does.MAY_CHANGE: (self.change, self.roll_back, self.kill),
            Does.CHANGED: (self.commit, self.roll_back, self.kill),
            Does.COMMITTED: (self.read_row_back, self.release, self.kill),
            Does.READ_BACK: (self.release, self.kill),
            Does.DRAINS_LATE: (self.drain_late, self.kill),
            Does.IN_OUTBOX: (self.relay,),
            Does.DONE: (),
            Does.DEAD: (),
        }

    def has(self, piece: Piece) -> bool:
        return self.missing is not piece

    def steps(self, s: State) -> Iterator[Step]:
        """Everything that can happen next."""
        for r, reader in enumerate(s.readers):
            for reader_step in self.reader_steps[reader.does]:
                yield from reader_step(s, r)
        for w, writer in enumerate(s.writers):
            for writer_step in self.writer_steps[writer.does]:
                yield from writer_step(s, w)
            if self.missing is Piece.FRESH_HOLD_ID:
                yield from self.hold_again(s, w)
        if s.redis.server is Server.UP:
            yield from self.expire(s)
            yield from self.save_snapshot(s)
            yield from self.go_down(s)
        elif s.redis.server is Server.DOWN:
            yield from self.restart(s)
        else:
            yield from self.purge(s)

    # A reader

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

    # A writer

    def hold(self, s: State, w: int) -> Iterator[Step]:
        if not self.has(Piece.HOLD):
            yield from self.change(s, w)
        elif s.redis.server is Server.UP:
            alone = not s.redis.holds or self.missing in (Piece.ALONE, Piece.ALONE_EARLIER)
            said = "not alone" if s.redis.holds else "alone"
            yield f"{writer_name(w)}: holds -> {said}", self.after_hold(held(s, w), w, alone)
        elif s.redis.server is Server.DOWN:
            yield f"{writer_name(w)}: holds -> connection refused", self.after_hold(s, w, alone=False)

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
        if s.redis.server is Server.DOWN:
            after = self.after_release(s, w, self.has(Piece.REFUSED_RELEASE_DRAINS), writer.version)
            yield f"{writer_name(w)}: releases -> connection refused", after
        elif s.redis.server is Server.UP:
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

    # Redis

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
        """
        All connections are new after a restart, and each does this before anything else.

        Holds stay: they only keep readers away, and after a flush they are those of living writers.
        """
        yield "Redis: a new connection finds another run id and purges", replace(s, redis=Redis(holds=s.redis.holds))


def row_is_free(s: State) -> bool:
    return all(writer.does is not Does.CHANGED for writer in s.writers)


def reader_name(r: int) -> str:
    return f"reader {'ABC'[r]}"


def writer_name(w: int) -> str:
    return f"writer {w + 1}"


def with_reader(s: State, r: int, reader: Reader) -> State:
    return replace(s, readers=replaced(s.readers, r, reader))


def with_writer(s: State, w: int, writer: Writer) -> State:
    return replace(s, writers=replaced(s.writers, w, writer))


def held(s: State, w: int) -> State:
    return replace(s, redis=Redis(holds=s.redis.holds | 1 << w, last_holder=w))


def acknowledged(s: State, w: int, told: int) -> State:
    return replace(with_writer(s, w, Writer(Does.DONE)), floor=max(s.floor, told))


def drain_begun(s: State, w: int) -> State:
    """Mark what L1s hold or are about to hold: it was fetched before now, so it will not outlive this drain."""
    return replace(
        s,
        copies=tuple(
            copy if copy.version == NOTHING else replace(copy, drained_by=copy.drained_by | 1 << w) for copy in s.copies
        ),
        readers=tuple(
            replace(reader, drained_by=reader.drained_by | 1 << w) if reader.does is Does.HAS_REPLY else reader
            for reader in s.readers
        ),
    )


def drain_forgotten(s: State, w: int) -> State:
    """Nobody waits for this drain any more."""
    return replace(
        s,
        copies=tuple(replace(copy, drained_by=copy.drained_by & ~(1 << w)) for copy in s.copies),
        readers=tuple(replace(reader, drained_by=reader.drained_by & ~(1 << w)) for reader in s.readers),
    )


def replaced(items: tuple[T, ...], index: int, item: T) -> tuple[T, ...]:
    return (*items[:index], item, *items[index + 1 :])


def canonical(s: State) -> State:
    """One state to stand for those that differ from it by names only: readers and writers in order of what they do."""
    seats = tuple(zip(s.readers, s.copies, strict=True)) if has_l1_each(s) else s.readers
    if is_in_order(seats) and is_in_order(s.writers):
        return s
    return renamed(s, in_order(seats), in_order(s.writers))


def is_in_order(items: tuple[Any, ...]) -> bool:
    return all(map(le, items, items[1:]))


def in_order(items: tuple[Any, ...]) -> list[int]:
    return sorted(range(len(items)), key=items.__getitem__)


def has_l1_each(s: State) -> bool:
    return len(s.copies) == len(s.readers)


def renamed(s: State, readers: Sequence[int], writers: Sequence[int]) -> State:
    """The same state with `readers[0]` as the first reader, and so on."""
    copies = [s.copies[r] for r in readers] if has_l1_each(s) else s.copies
    return replace(
        s,
        redis=redis_renamed(s.redis, readers, writers),
        readers=tuple(
            replace(s.readers[r], drained_by=bits_renamed(s.readers[r].drained_by, writers)) for r in readers
        ),
        copies=tuple(replace(copy, drained_by=bits_renamed(copy.drained_by, writers)) for copy in copies),
        writers=tuple(s.writers[w] for w in writers),
        snapshot=s.snapshot and redis_renamed(s.snapshot, readers, writers),
    )


def redis_renamed(redis: Redis, readers: Sequence[int], writers: Sequence[int]) -> Redis:
    return replace(
        redis,
        lease=redis.lease if redis.lease == NOTHING else readers.index(redis.lease),
        holds=bits_renamed(redis.holds, writers),
        last_holder=redis.last_holder if redis.last_holder == NOTHING else writers.index(redis.last_holder),
    )


def bits_renamed(bits: int, writers: Sequence[int]) -> int:
    return bits and sum(1 << new for new, old in enumerate(writers) if bits & 1 << old)


@dataclass(frozen=True)
class Found:
    """What a search found: how many states it visited and, if the promise can be broken, the shortest way to do so."""

    states: int
    history: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(f"{number:2}. {step}" for number, step in enumerate(self.history, 1))


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """States are tuples without cycles; to look for some among millions of them takes a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@no_garbage_collection()
def search(scope: Scope, missing: Piece | None = None) -> Found:
    """Visit every state that `scope` permits, nearest first, until one is broken or none is left."""
    protocol = Protocol(scope, missing)
    seen = {protocol.start}  # under any names: most steps lead to one of them, which costs less to know than its order
    visited = {canonical(protocol.start)}
    came_by: list[tuple[int, str]] = [(0, "")]
    queue = deque([(0, protocol.start)])
    while queue:
        number, state = queue.popleft()
        for text, after in protocol.steps(state):
            if after in seen:
                continue
            seen.add(after)
            reached = canonical(after)
            if reached in visited:
                continue
            visited.add(reached)
            came_by.append((number, text))
            if after.broken:
                return Found(len(visited), history_of(len(visited) - 1, came_by))
            queue.append((len(visited) - 1, after))
    return Found(len(visited))


def history_of(number: int, came_by: list[tuple[int, str]]) -> tuple[str, ...]:
    steps = []
    while number:
        number, text = came_by[number]
        steps.append(text)
    return tuple(reversed(steps))
