"""
Every history of the coherence protocol, searched for a stale read.

An explicit-state model checker (breadth first, exhaustive) of one cache key and, in scopes that have one, of the stamp
that vouches for it (`stamps.py`). A state is what everyone knows at one moment; `Protocol.steps` says what can happen
next; `search` visits every state that can be reached and stops at the first read that breaks the promise, with the
shortest history that leads there. Take a `Piece` away and it must find one.

Modelled
    - The database: how many writes are committed. A version is its place in commit order. One writer at a time has
      the row.
    - Redis: value, fill lease, holds, last holder, and whether its run id is the recorded one. At any time each of them
      may expire, all may be flushed, a snapshot may be saved, and Redis may go down and come back with nothing or with
      that snapshot.
    - A failover: a replica that lags by any number of commands takes over at any time. Until a second after its purge
      nobody uses it, and everybody may use the former primary, which goes on as if nothing had happened, or is dead.
    - Readers, any number of reads each, in processes that have an L1, shared or not.
    - Writers that save (hold, change, drain, commit, read back, release, drain again if a hold was lost), roll back and
      try again, are killed between any two steps, or change the row behind Django's back. What was committed and not
      acknowledged is in the outbox: it counts as acknowledged when the relay has invalidated and `L` has passed, or
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
    - The other rows of a transaction. The drain begins at its newest hold, so one of a row before ours leaves no trace
      (but for `Piece.DRAIN_FROM_NEWEST_HOLD`), and one of a row after it makes the drain longer, which permits less.
      Nobody sees a change before its commit, so it does not matter when in between a row is changed.
    - Autocommit, where the statement is the commit and the wait comes before it. That is a history in which the writer
      changes the row, has drained and commits without anything between: until then its change has locked the row
      against nobody, and a drain that ends a moment later permits more.
    - A read starts when its first effective step runs, since starting earlier only permits more. So `GET` followed by
      `claim` is one step: a read that missed and then claims permits no less than a read that starts at its claim.
    - A read is finished when it knows its value, since finishing later only permits more. What remains of it then, to
      fill and to put in L1, are steps of their own, which may come late or never.
    - A read that bypasses, waits in vain for another's fill, or finds Redis silent returns the newest committed
      version. It is a step only where others must not return anything older afterwards.
    - Trust. Each connection may use the former primary until a second after it has compared it last, and by a second
      after the purge that is over for all: so one moment ends it for all, which only permits more. What was sent before
      that moment and runs after it might have run before: nobody else sees that server any more.
    - What `min-replicas-to-write` makes the former primary refuse: here it does everything it is asked, which permits
      more, but for comparisons (`Piece.FORMER_IS_LEFT`).
    - Late commands. A late claim or fill is a slow reader; a late release or invalidation is an expiry; a late hold is
      a killed writer, because each attempt has its own id (`Piece.FRESH_HOLD_ID`).
    - The last known value, served while the database is away, is stored and deleted with the value, by the same
      scripts: a history in which it is read is one in which the value itself had not expired.
    - Schema versions share holds and last holder, and every script that ends a value or lease ends those of versions
      beside it: for a writer their readers are readers like others. `tests/interleavings` has both in full.
    - Readers are alike, and so are writers: of states that differ by their names only, one is visited.
"""

from collections.abc import Iterator

from tests.model.readers import ReaderSteps
from tests.model.scope import Piece, Scope
from tests.model.servers import ServerSteps
from tests.model.stamps import StampSteps
from tests.model.state import Copy, Does, Others, Reader, Redis, Server, StampCopy, State, Step, Writer


class Protocol(ReaderSteps, StampSteps, ServerSteps):
    """The steps of the protocol, one function each: what it says in words, and the state after it."""

    def __init__(self, scope: Scope, missing: Piece | None = None) -> None:
        super().__init__(scope, missing)
        processes = len(set(scope.processes))
        self.start = State(
            committed=0,
            floor=0,
            redis=Redis(),
            readers=(Reader(),) * len(scope.processes),
            copies=(Copy(),) * processes,
            writers=(Writer(),) * scope.writers,
            restarts_left=scope.restarts,
            others=Others(scope.failovers) if scope.failovers else None,
            stamp_copies=(StampCopy(),) * processes if scope.askers else (),
            replies=(StampCopy(),) * scope.askers,
        )
        self.reader_steps = {
            Does.NOTHING: (self.read_l1, self.note_stamp, self.look_up, self.read_database),
            Does.HAS_LEASE: (self.load,),
            Does.HAS_ROW: (self.note_stamp, self.fill),
            Does.HAS_REPLY: (self.put,),
        }
        release = (self.release, self.release_stamp)
        if missing is Piece.STAMP_RELEASED_LAST:
            release = (self.release_stamp, self.release)
        relay = (self.relay, self.relay_stamp)
        if missing is Piece.STAMP_INVALIDATED_LAST:
            relay = (self.relay_stamp, self.relay)
        self.writer_steps = {
            Does.NOTHING: (self.hold, self.hold_stamp, self.hold_earlier_row, self.change_behind_django),
            Does.HOLDS_EARLIER: (self.hold,),
            Does.HOLDS_ENTRY: (self.hold_stamp, self.kill),
            Does.HOLDS_STAMP: (self.hold, self.kill),
            Does.HOLDS: (self.change, self.roll_back, self.kill),
            Does.CHANGED: (self.drain, self.roll_back, self.kill),
            Does.DRAINED: (self.commit, self.roll_back, self.kill),
            Does.ROLLED_BACK: (self.roll_stamp_back, self.kill),
            Does.COMMITTED: (self.read_row_back, release[0], self.kill),
            Does.READ_BACK: (release[0], self.kill),
            Does.HALF_RELEASED: (release[1], self.kill),
            Does.DRAINS_LATE: (self.drain_late, self.kill),
            Does.IN_OUTBOX: (relay[0],),
            Does.HALF_RELAYED: (relay[1], self.kill),
            Does.DONE: (),
            Does.DEAD: (),
        }
        self.server_steps = {
            Server.UP: (self.save_snapshot, self.go_down, self.replicate, self.take_over, self.end_trust),
            Server.DOWN: (self.restart,),
            Server.RESTARTED: (self.purge,),
            Server.TOOK_OVER: (self.purge_successor,),
            Server.PURGED: (self.end_trust,),
        }

    def steps(self, s: State) -> Iterator[Step]:
        """Everything that can happen next."""
        yield from self.steps_on(s)
        for server_step in self.server_steps[s.redis.server]:
            yield from server_step(s)
        if s.others is not None and s.others.former is not None:
            for text, after in self.steps_on(self.with_former_in_use(s)):
                yield f"{text} (the former primary)", self.with_former_in_use(after)

    def steps_on(self, s: State) -> Iterator[Step]:
        """What readers and writers do with the server, and what it forgets."""
        for r, reader in enumerate(s.readers):
            for reader_step in self.reader_steps[reader.does]:
                yield from reader_step(s, r)
        for w, writer in enumerate(s.writers):
            for writer_step in self.writer_steps[writer.does]:
                yield from writer_step(s, w)
            if self.missing is Piece.FRESH_HOLD_ID:
                yield from self.hold_again(s, w)
        for a in range(len(s.replies)):
            yield from self.ask(s, a)
            yield from self.keep_stamp(s, a)
        yield from self.expire(s)
