"""One history: steps taken one after the other, each judged."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, OperationalError
from redis.exceptions import RedisError

from cache_layer import Source
from cache_layer.server.breaker import RECONNECT_DELAY_LIMIT_SECONDS
from tests.interleavings.actions import READS_THROUGH_LANE, Action, read, relay
from tests.interleavings.doing import NEED_THE_ROW, Doing, Order
from tests.interleavings.entries import ENTRIES, LEASE_MS
from tests.interleavings.oracle import BrokenPromise, Expected, name
from tests.interleavings.processes import Killed, Process
from tests.interleavings.steps import GOES_ON, LEAVE_HOLDS, STEPS, Step
from tests.interleavings.world import OPERATOR, READERS, RELAY, Scene, World

QUIET_STEPS = 300
TO_THE_END = ", to the end"
UNTIL_IT = ", until it "


class History:
    """
    What has happened so far, and what it meant.

    Attributes:
        story: the steps in words, with what they came to.
        last: who has done something last.
    """

    def __init__(self, world: World, scene: Scene = Scene()) -> None:  # noqa: B008 - it is immutable
        self.world = world
        self.story: list[str] = []
        self.last = READERS[0]
        self._expected: dict[str, Expected] = {}
        self._newest_at_start: dict[str, int] = {}
        self._may_leave_holds = False
        world.begin(scene)
        if scene.at_rest:
            self._rest()

    def _rest(self) -> None:
        """Readers read through their lanes until what they read rests on the stamp."""
        for lease_ms in (0, LEASE_MS):
            for seat in READERS[: 1 if self.world.scene.one_process else 2]:
                for action in READS_THROUGH_LANE.values():
                    self.world.wait(lease_ms / 1000)
                    self._do(seat, action)
        self.world.server.look()

    def _do(self, seat: str, action: Action) -> Any:
        """A whole action, in which nobody else does anything."""
        process = self.process(seat)
        process.begin(action)
        while process.about_to is not None:
            process.go_on()
        return process.result

    def take(self, step: Step) -> None:
        """
        Let a step happen, and look at everything that a read could find afterwards.

        Raises:
            BrokenPromise: with the whole story.
        """
        self.story.append(self.words_of(step))
        self._may_leave_holds |= step.fault in LEAVE_HOLDS
        with self._telling():
            step.take(self)
            if self.world.oracle.waits_for_relay:
                self.world.oracle.outbox_seen(self.world.outbox(), self.world.now_ms)
            self.world.server.look()
            for where, expected, content in self.world.readable():
                try:
                    self.world.oracle.read_ends(expected, content)
                except BrokenPromise:
                    self.story.append(f"a read would find {name(content)} in {where}")
                    raise

    def play(self, script: str) -> None:
        """
        Take the steps of a script, one a line, as stories tell them: who, a colon, and what.

        A line may end with `, until it commits` (or whatever it does), which is not done yet, or with `, to the end`.

        Raises:
            BrokenPromise: with the whole story.
            ValueError: a line cannot happen.
        """
        for line in script.strip().splitlines():
            who, _, what = line.strip().partition(": ")
            what, is_long, until = what.removesuffix(TO_THE_END).partition(UNTIL_IT)
            self.take(self._find_step(who, what))
            while (is_long or line.endswith(TO_THE_END)) and self.process(who).about_to not in (None, until):
                self.take(self._find_step(who, GOES_ON))
            if is_long and self.process(who).about_to != until:
                raise ValueError(f"{line.strip()!r}: it never does\n{self.tell()}")

    def tell(self) -> str:
        """The story so far."""
        return "\n".join(f"{number:2}. {line}" for number, line in enumerate(self.story, 1))

    def words_of(self, step: Step) -> str:
        who = step.who or self.last
        return f"{who}: {self.process(who).about_to if step.what == GOES_ON else step.what}"

    def _find_step(self, who: str, what: str) -> Step:
        for step in STEPS:
            if step.who == who and step.possible(self) and what in (step.what, self.words_of(step).split(": ")[1]):
                return step
        raise ValueError(f"{who!r} cannot do {what!r} now\n{self.tell()}")

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except BrokenPromise as broken:
            raise BrokenPromise(f"{broken}\n{self.tell()}") from None

    # What steps are made of

    def process(self, seat: str) -> Process:
        return self.world.processes[seat]

    def can_go_on(self, seat: str) -> bool:
        """A process that needs the row waits for its owner, in PostgreSQL; a thread for the one that renews."""
        process = self.process(seat)
        if process.about_to in NEED_THE_ROW:
            return process.has_row or self.world.row_is_free()
        if process.about_to is Doing.WAIT_FOR_THREAD:
            return not process.memory.is_renewing()
        return process.about_to is not None

    def begin(self, seat: str, action: Action) -> None:
        self.last = seat
        self._expected[seat] = self.world.oracle.read_begins()
        self._newest_at_start[seat] = self.world.oracle.newest
        self.process(seat).begin(action)
        self._settle(self.process(seat))

    def go_on(self, seat: str, order: Order = Order.GO) -> None:
        self.last = seat
        self.process(seat).go_on(order)
        self._settle(self.process(seat))

    def _settle(self, process: Process) -> None:
        """See what a step has come to."""
        if process.answer:
            self.story[-1] += f" -> {process.answer}"
        if process.about_to is not None:
            return
        if process.name in READERS:
            self._settle_read(process)
        elif process.name in (RELAY, OPERATOR):
            self._settle_invalidation(process)
        else:
            self._settle_write(process)

    def _settle_read(self, process: Process) -> None:
        if process.error is not None:
            if not (process.has_missed_the_database and isinstance(process.error, OperationalError)):
                raise process.error
            self.story[-1] += "; no answer"
        if process.result is not None:
            content, source = process.result
            if source is Source.STALE and not process.has_missed_the_database:
                raise BrokenPromise(f"{process.name} got what was last known although the database was there")
            self.story[-1] += f"; read {name(content)} ({source})"
            self.world.oracle.read_ends(self._expected[process.name], content)

    def _settle_write(self, process: Process) -> None:
        error, place = process.error, process.version
        if not (error is None or isinstance(error, (DatabaseError, Killed))):
            raise error
        oracle = self.world.oracle
        committed = "" if place is None else f"; {name(oracle.versions[place])} is committed"
        self.story[-1] += f"{committed}{', acknowledged' if error is None else f'; {type(error).__name__}'}"
        has_held = process.name in self.world.holders.values()
        if error is None and place is not None and has_held:
            oracle.acknowledge(place)
        if not process.leaves_holds:
            oracle.calmed(process.name, place if error else None)
            self.world.forget_holders(process.name)

    def _settle_invalidation(self, process: Process) -> None:
        if not (process.error is None or isinstance(process.error, (RedisError, Killed))):
            raise process.error
        if process.error is None and process.name == OPERATOR:
            self.world.oracle.acknowledge(self._newest_at_start[process.name])

    # The end

    def become_quiet(self) -> None:
        """
        Let everyone finish, and what lapses lapse.

        Raises:
            BrokenPromise: cache and database do not agree then.
        """
        self.story.append("everyone finishes")
        world, server = self.world, self.world.server
        with self._telling():
            if server.is_down:
                server.restart(from_snapshot=False)
            while world.late_commits:
                world.run_late_commit()
            self._finish()
            while server.late_commands:
                server.run_late_command()
            server.look()
            if not self._may_leave_holds and world.left_behind():
                raise BrokenPromise(f"holds are left: {world.left_behind()}")
            server.lapse(server.seen.holders)
            for _ in range(2):
                world.wait(RECONNECT_DELAY_LIMIT_SECONDS)
                self.begin(RELAY, relay)
                self._finish()
            self._compare()

    def _finish(self) -> None:
        """Everyone goes on until all are idle, the owner of the row first."""
        for _ in range(QUIET_STEPS):
            seats = [seat for seat in self.world.processes if self.can_go_on(seat)]
            if not seats:
                break
            self.go_on(seats[0])
        if any(process.about_to is not None for process in self.world.processes.values()):
            raise BrokenPromise("someone is stuck")

    def _compare(self) -> None:
        """What is cached, and what is read everywhere, is what is committed."""
        row = self.world.row()
        self.world.server.look()
        found = dict(self.world.server.cached())
        self.world.wait(LEASE_MS / 1000)
        for seat in READERS:
            for what, action in READS_THROUGH_LANE.items():
                found[f"{seat}: {what}"], _ = self._do(seat, action)
            for lookup, identifier in ENTRIES:
                found[f"{lookup.name}, by {seat}"], _ = self._do(seat, read(lookup, identifier))
        if wrong := {where: content for where, content in found.items() if content != row}:
            raise BrokenPromise(f"for good the row says {name(row)}, but there is {wrong}")
        if changes := self.world.outbox():
            raise BrokenPromise(f"the relay leaves changes in the outbox: {changes}")
        if endless := self.world.server.endless_keys():
            raise BrokenPromise(f"these never expire: {endless}")
