"""Everything that can happen next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tests.interleavings.actions import (
    BY_HAND,
    CHANGES_BY_CURSOR,
    READS,
    READS_IN_SNAPSHOT,
    READS_THROUGH_LANE,
    WRITES,
    Action,
    relay,
    request,
)
from tests.interleavings.doing import IN_REDIS, Doing, Order
from tests.interleavings.entries import CODE, KEYS, LEASE_MS
from tests.interleavings.redis_server import ALL_KEYS, COMPANIONS
from tests.interleavings.world import OPERATOR, READERS, RELAY, SEATS, WRITERS, World

if TYPE_CHECKING:
    from tests.interleavings.history import History


class Fault(StrEnum):
    """What may happen besides reads and Django writes; each random history has some of it."""

    CURSOR = "changes by cursor"
    SNAPSHOT = "reads in a snapshot"
    BEHIND_DJANGO = "changes behind Django"
    BY_HAND = "invalidation by hand"
    KILL = "processes are killed"
    REFUSED_COMMIT = "commits are refused"
    DOUBT = "commits run late"
    EXPIRY = "keys expire"
    LOST_HOLD = "holds get lost"
    EVICTION = "holds on one key are evicted"
    FLUSH = "FLUSHDB"
    RESTART = "Redis restarts"
    DOWN = "Redis is down for a while"
    TIME_OUT = "commands time out"
    DROP = "connections drop"
    AWAY = "the database is away"


LEAVE_HOLDS = {Fault.KILL, Fault.DOUBT, Fault.RESTART, Fault.DOWN, Fault.TIME_OUT, Fault.DROP}
"""After these a hold may be in force that nobody will release."""

GOES_ON = "goes on"
OWN_ROWS = {"save() after another row's"}
"""Writes of rows that a late COMMIT of the same writer may have locked."""
ON_THE_WIRE = {Order.ANSWER_IS_LATE, Order.COMMAND_IS_LATE, Order.CONNECTION_DROPS}
BEHIND_DJANGO = {
    "updates the row": f"UPDATE app.entity SET label = 'v?' WHERE code = '{CODE}'",
    "deletes the row": f"DELETE FROM app.entity WHERE code = '{CODE}'",
    "truncates the table": "TRUNCATE app.entity",
    "inserts the row": "INSERT",
}


class Step(NamedTuple):
    """
    One thing that can happen.

    Attributes:
        who: empty for whoever has just done something.
        fault: it happens only in random histories that have this fault.
        weight: how likely it is among what is possible.
    """

    who: str
    what: str
    possible: Callable[[History], bool]
    take: Callable[[History], None]
    fault: Fault | None = None
    weight: int = 1

    def __repr__(self) -> str:
        return f"{self.who or 'the same'}: {self.what}"


def all_steps() -> Iterator[Step]:
    """The simplest first: mostly whoever has just done something goes on."""
    yield Step("", GOES_ON, lambda h: h.can_go_on(h.last), lambda h: h.go_on(h.last), weight=10)
    for seat in SEATS:
        yield Step(seat, GOES_ON, lambda h, s=seat: h.can_go_on(s), lambda h, s=seat: h.go_on(s), weight=3)
    for seat in READERS:
        yield from (begins(seat, words, action) for words, action in READS.items())
        yield from (begins(seat, words, action, weight=2) for words, action in READS_THROUGH_LANE.items())
        yield from (begins(seat, words, action, Fault.SNAPSHOT) for words, action in READS_IN_SNAPSHOT.items())
        yield fails(seat, "finds the database away", Order.DATABASE_IS_AWAY, Fault.AWAY, {Doing.LOAD})
    for seat in WRITERS:
        yield from (begins(seat, words, request(action), weight=2) for words, action in WRITES.items())
        yield from (begins(seat, words, action, Fault.CURSOR) for words, action in CHANGES_BY_CURSOR.items())
        yield fails(seat, "is refused to commit", Order.COMMIT_IS_REFUSED, Fault.REFUSED_COMMIT, {Doing.COMMIT})
        yield fails(seat, "loses its session, COMMIT runs later", Order.COMMIT_IS_LATE, Fault.DOUBT, {Doing.COMMIT})
    yield begins(RELAY, "looks into the outbox", relay)
    yield from (begins(OPERATOR, words, action, Fault.BY_HAND, weight=2) for words, action in BY_HAND.items())
    for seat in (*WRITERS, RELAY):
        yield fails(seat, "is killed", Order.DIE, Fault.KILL, set(Doing))
    for seat in SEATS[:-1]:
        yield fails(seat, "times out, its command has run", Order.ANSWER_IS_LATE, Fault.TIME_OUT, IN_REDIS)
        yield fails(seat, "times out, its command runs later", Order.COMMAND_IS_LATE, Fault.TIME_OUT, IN_REDIS)
        yield fails(seat, "loses its connection, its command has run", Order.CONNECTION_DROPS, Fault.DROP, IN_REDIS)
    for ms in (LEASE_MS, LEASE_MS // 2):
        yield Step("time", f"{ms} ms pass", lambda h: h.world.time_matters(), lambda h, ms=ms: h.world.wait(ms / 1000))
    yield Step("time", "a second passes", lambda _: True, lambda h: h.world.wait(1))
    for words, sql in BEHIND_DJANGO.items():
        is_free = World.table_is_free if sql.startswith("TRUNCATE") else World.row_is_free
        yield in_world("psql", words, is_free, lambda w, sql=sql: w.change_behind_django(sql), Fault.BEHIND_DJANGO)
    yield in_world("PostgreSQL", "runs a late COMMIT", has_late_commits, World.run_late_commit, Fault.DOUBT)
    yield from expiries()
    yield from redis()


def begins(seat: str, words: str, action: Action, fault: Fault | None = None, weight: int = 1) -> Step:
    def possible(h: History) -> bool:
        if action is relay:
            return h.process(seat).about_to is None and h.world.oracle.waits_for_relay
        return h.process(seat).about_to is None and not (words in OWN_ROWS and h.world.late_commits)

    return Step(seat, words, possible, lambda h: h.begin(seat, action), fault, weight)


def fails(seat: str, words: str, order: Order, fault: Fault, when: Collection[Doing]) -> Step:
    def possible(h: History) -> bool:
        return h.process(seat).about_to in when and not (order in ON_THE_WIRE and h.world.server.is_down)

    return Step(seat, words, possible, lambda h: h.go_on(seat, order), fault)


def in_world(
    who: str, what: str, possible: Callable[[World], bool], take: Callable[[World], object], fault: Fault | None = None
) -> Step:
    """What no process does."""
    return Step(who, what, lambda h: bool(possible(h.world)), lambda h: take(h.world), fault, 2)


in_redis = partial(in_world, "Redis")


def expiries() -> Iterator[Step]:
    """What ends by itself."""
    for of in ALL_KEYS:
        yield in_redis(
            f"the holds on {of} are evicted",
            lambda w, of=of: w.server.seen.holders_of[of],
            lambda w, of=of: w.evict_holds(of),
            Fault.EVICTION,
        )
        for companion in COMPANIONS if of in KEYS else ["value"]:
            yield in_redis(
                f"the {companion} of {of} expires",
                lambda w, what=(companion, of): w.server.has(*what),
                lambda w, what=(companion, of): w.server.expire(*what),
                None if companion == "value" else Fault.EXPIRY,
            )
    for seat in WRITERS:
        lapses = f"the hold of {seat} lapses"
        yield in_redis(lapses, lambda w, s=seat: w.has_holds(s), lambda w, s=seat: w.lose_holds(s), Fault.LOST_HOLD)
    yield in_redis("what was left in force lapses", leaves_holds, lambda w: w.server.lapse(w.left_behind()))


def redis() -> Iterator[Step]:
    """What befalls the server."""
    yield in_redis("FLUSHDB", is_up, lambda w: w.server.flush(), Fault.FLUSH)
    yield in_redis(
        "saves a snapshot",
        lambda w: is_up(w) and not w.server.has_snapshot(),
        lambda w: w.server.save_snapshot(),
        Fault.RESTART,
    )
    yield in_redis(
        "restarts from its snapshot",
        lambda w: w.server.has_snapshot(),
        lambda w: w.server.restart(from_snapshot=True),
        Fault.RESTART,
    )
    yield in_redis("restarts, empty", is_up, restart_empty, Fault.RESTART)
    yield in_redis("refuses connections", is_up, lambda w: w.server.go_down(), Fault.DOWN)
    yield in_redis("is back, empty", lambda w: not is_up(w), restart_empty, Fault.DOWN)
    yield in_redis(
        "runs a late command",
        lambda w: is_up(w) and w.server.late_commands,
        lambda w: w.server.run_late_command(),
        Fault.TIME_OUT,
    )


def is_up(w: World) -> bool:
    return not w.server.is_down


def restart_empty(w: World) -> None:
    w.server.restart(from_snapshot=False)


def has_late_commits(w: World) -> bool:
    return bool(w.late_commits)


def leaves_holds(w: World) -> bool:
    return not w.late_commits and bool(w.left_behind())


STEPS = tuple(all_steps())
