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
from tests.interleavings.world import OPERATOR, READERS, RELAY, SEATS, WRITERS

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
        yield goes_on(seat)
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
    for milliseconds in (LEASE_MS, LEASE_MS // 2):
        yield Step("time", f"{milliseconds} ms pass", lambda h: h.world.time_matters(), partial(wait, milliseconds))
    yield Step("time", "a second passes", lambda _: True, partial(wait, 1_000))
    yield from postgres()
    yield from expiries()
    yield from redis()


def goes_on(seat: str) -> Step:
    return Step(seat, GOES_ON, lambda h: h.can_go_on(seat), lambda h: h.go_on(seat), weight=3)


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


def wait(milliseconds: int, h: History) -> None:
    h.world.wait(milliseconds / 1000)


def postgres() -> Iterator[Step]:
    """What sessions other than Django's do, and the server by itself."""
    yield from (changes_behind_django(words, statement) for words, statement in BEHIND_DJANGO.items())
    yield Step(
        "PostgreSQL",
        "runs a late COMMIT",
        lambda h: bool(h.world.late_commits),
        lambda h: h.world.run_late_commit(),
        Fault.DOUBT,
        2,
    )


def changes_behind_django(words: str, statement: str) -> Step:
    def possible(h: History) -> bool:
        return h.world.table_is_free() if statement.startswith("TRUNCATE") else h.world.row_is_free()

    return Step("psql", words, possible, lambda h: h.world.change_behind_django(statement), Fault.BEHIND_DJANGO, 2)


def expiries() -> Iterator[Step]:
    """What ends by itself."""
    for of in ALL_KEYS:
        yield evicts_holds(of)
        yield from (expires(companion, of) for companion in (COMPANIONS if of in KEYS else ["value"]))
    yield from map(loses_holds, WRITERS)
    yield in_redis("what was left in force lapses", leaves_holds, lambda h: h.world.server.lapse(h.world.left_behind()))


def evicts_holds(of: str) -> Step:
    def possible(h: History) -> bool:
        return bool(h.world.server.seen.holders_of[of])

    return in_redis(f"the holds on {of} are evicted", possible, lambda h: h.world.evict_holds(of), Fault.EVICTION)


def expires(companion: str, of: str) -> Step:
    return in_redis(
        f"the {companion} of {of} expires",
        lambda h: h.world.server.has(companion, of),
        lambda h: h.world.server.expire(companion, of),
        None if companion == "value" else Fault.EXPIRY,
    )


def loses_holds(seat: str) -> Step:
    return in_redis(
        f"the hold of {seat} lapses",
        lambda h: h.world.has_holds(seat),
        lambda h: h.world.lose_holds(seat),
        Fault.LOST_HOLD,
    )


def redis() -> Iterator[Step]:
    """What befalls the server."""
    yield in_redis("FLUSHDB", is_up, lambda h: h.world.server.flush(), Fault.FLUSH)
    yield in_redis(
        "saves a snapshot",
        lambda h: is_up(h) and not h.world.server.has_snapshot(),
        lambda h: h.world.server.save_snapshot(),
        Fault.RESTART,
    )
    yield in_redis(
        "restarts from its snapshot",
        lambda h: h.world.server.has_snapshot(),
        lambda h: h.world.server.restart(from_snapshot=True),
        Fault.RESTART,
    )
    yield in_redis("restarts, empty", is_up, restart_empty, Fault.RESTART)
    yield in_redis("refuses connections", is_up, lambda h: h.world.server.go_down(), Fault.DOWN)
    yield in_redis("is back, empty", lambda h: not is_up(h), restart_empty, Fault.DOWN)
    yield in_redis(
        "runs a late command",
        lambda h: is_up(h) and bool(h.world.server.late_commands),
        lambda h: h.world.server.run_late_command(),
        Fault.TIME_OUT,
    )


def in_redis(
    what: str, possible: Callable[[History], bool], take: Callable[[History], None], fault: Fault | None = None
) -> Step:
    return Step("Redis", what, possible, take, fault, 2)


def is_up(h: History) -> bool:
    return not h.world.server.is_down


def restart_empty(h: History) -> None:
    h.world.server.restart(from_snapshot=False)


def leaves_holds(h: History) -> bool:
    return not h.world.late_commits and bool(h.world.left_behind())


STEPS = tuple(all_steps())
