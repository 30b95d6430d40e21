"""The engines, the clock and the processes of one history."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import psycopg

from cache_layer.memory import pending
from cache_layer.reading import absent, refresh
from cache_layer.server import connection
from tests.interleavings.doing import Order
from tests.interleavings.entries import CODE, FIELDS, LEASE_MS
from tests.interleavings.memory import Memory
from tests.interleavings.oracle import Content, Expected, Oracle
from tests.interleavings.processes import LateCommit, Process
from tests.interleavings.redis_server import RedisServer
from tests.servers import test_database_url

READERS = ("reader A", "reader B")
WRITERS = ("writer 1", "writer 2")
RELAY = "the relay"
OPERATOR = "the operator"
START_NS = 10**12
"""Every history begins at the same time: sums of floats depend on where they begin."""

TICK_NS = 1
"""Between two looks at the clock."""

SEATS = (*READERS, *WRITERS, RELAY, OPERATOR)


class Scene(NamedTuple):
    """
    How a history begins.

    Attributes:
        one_process: the readers are threads of one process and share its memory.
        two_versions: the second reader and the second writer are of the next schema version.
        two_releases: or of a later release of the same version, whose documents have one member more.
        at_rest: the readers' express lanes have answers whose copies rest on the stamp.
        nodes: entries and stamp are on nodes of their own, which are told of several `in order`, or `in reverse`.
    """

    row_exists: bool = True
    one_process: bool = False
    two_versions: bool = False
    two_releases: bool = False
    at_rest: bool = False
    nodes: str = ""


class World:
    """
    Real engines, processes to step through, and an oracle that knows what has happened.

    Its own connections look and meddle; the processes' go through the project's client.
    """

    def __init__(self) -> None:
        self.holders: dict[str, str] = {}
        self.late_commits: list[LateCommit] = []
        self.server = RedisServer(self.disturb_holders)
        self.database = psycopg.connect(test_database_url(), autocommit=True)
        self.database.execute("SET synchronous_commit TO off")
        self.now_ns = START_NS
        self.processes = {seat: Process(seat, self) for seat in SEATS}

    def begin(self, scene: Scene) -> None:
        """Start a history: caches empty, and the first version committed."""
        self.scene = scene
        for seat in (READERS[1], WRITERS[1]):
            self.processes[seat].schema_version = 2 if scene.two_versions else 1
            self.processes[seat].is_of_later_release = scene.two_releases
        self.labels = 0
        self.now_ns = START_NS
        self.server.begin()
        absent.budget._marked.clear()
        refresh.forget_times()
        connection.breaker.succeeded()
        for process in self.processes.values():
            process.own_memory.forget()
        self.database.execute("DELETE FROM app.entity")
        if scene.row_exists:
            self._insert_row()
        self.database.execute("DELETE FROM cache_layer_outbox")
        self.oracle = Oracle(self.row(), LEASE_MS)

    def end(self) -> None:
        """Break off what is still going on."""
        self.server.is_down = False
        for process in self.processes.values():
            if process.about_to is not None:
                process.go_on(Order.DIE)
            if process.leaves_holds:
                process.begin(lambda _: pending._writes.unreleased.clear())
        for late in self.late_commits:
            late.drop()
        self.late_commits.clear()
        self.holders.clear()

    def close(self) -> None:
        self.end()
        for process in self.processes.values():
            process.end()
        self.database.close()
        self.server.close()

    # PostgreSQL

    def row(self) -> Content:
        """The committed row's label."""
        found = self.database.execute("SELECT label FROM app.entity WHERE code = %s AND active_flag", [CODE]).fetchone()
        return str(found[0]) if found else None

    def outbox(self) -> set[int]:
        return {row[0] for row in self.database.execute("SELECT id FROM cache_layer_outbox")}

    def change_behind_django(self, statement: str) -> None:
        """Run SQL in a session of psql's; `INSERT` stands for one that would make the row."""
        if statement == "INSERT":
            self._insert_row()
        else:
            self.database.execute(statement.replace("v?", self.next_label()) if "v?" in statement else statement)
        place, is_new = self._note_commit()
        if is_new:
            self.oracle.disturbed(place)

    def run_late_commit(self) -> None:
        late = self.late_commits.pop(0)
        late.run()
        place, is_new = self._note_commit()
        if is_new and not late.is_held:
            self.oracle.disturbed(place)

    def row_is_free(self) -> bool:
        return not self.late_commits and not any(process.has_row for process in self.processes.values())

    def table_is_free(self) -> bool:
        """TRUNCATE waits for every transaction that has read the table."""
        return not self.late_commits and not any(process.in_transaction for process in self.processes.values())

    def _insert_row(self) -> None:
        self.database.execute(
            "INSERT INTO app.entity (code, label, label_plural, icon) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [CODE, self.next_label(), FIELDS["label_plural"], FIELDS["icon"]],
        )

    def _note_commit(self) -> tuple[int, bool]:
        before = self.oracle.newest
        place = self.oracle.committed(self.row(), self.outbox())
        return place, place != before

    # What reads would find

    def readable(self) -> Iterator[tuple[str, Expected, Content]]:
        """Where a read that began now would find what, and what it may."""
        if not (self.server.is_down or self.server.reconnects):
            for key, content in self.server.cached():
                yield key, self.oracle.read_of_redis_begins(), content
        for seat in READERS:
            for where, content in self.memory_of(seat).usable(self.now_ns):
                yield f"{where} of {seat}", self.oracle.read_begins(), content

    def memory_of(self, seat: str) -> Memory:
        shares = self.scene.one_process and seat in READERS
        return self.processes[READERS[0] if shares else seat].own_memory

    # Holds

    def left_behind(self) -> set[str]:
        """The holds in force of processes that have left them: they were killed, or their attempt timed out."""
        return {holder for holder in self.server.seen.holders if holder not in self.holders}

    def has_holds(self, seat: str) -> bool:
        return any(self.holders.get(holder) == seat for holder in self.server.seen.holders)

    def lose_holds(self, seat: str) -> None:
        """End the holds of a process that counts on them."""
        self.server.lapse({holder for holder, owner in self.holders.items() if owner == seat})
        self.oracle.disturbed(seat)

    def evict_holds(self, of: str) -> None:
        """End the holds on one key alone."""
        lost = self.server.seen.holders_of[of]
        self.server.evict_holds(of)
        for seat in {owner for holder, owner in self.holders.items() if holder in lost}:
            self.oracle.disturbed(seat)

    def forget_holders(self, seat: str) -> None:
        for holder in [holder for holder, owner in self.holders.items() if owner == seat]:
            del self.holders[holder]

    def disturb_holders(self) -> None:
        for seat in self.holders.values():
            self.oracle.disturbed(seat)
        for late in self.late_commits:
            late.is_held = False

    # Time

    @property
    def now_ms(self) -> float:
        return self.now_ns / 1_000_000

    def tick(self) -> int:
        """The time in ns, each time another: what happens first has the earlier time."""
        self.now_ns += TICK_NS
        return self.now_ns

    def time_matters(self) -> bool:
        """To what is in memory, to drains, and to what is acknowledged when it has passed."""
        memories = (process.own_memory.usable(self.now_ns) for process in self.processes.values())
        return self.oracle.waits_for_time or bool(self.holders) or any(map(any, memories))

    def wait(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)
        self.oracle.time_passed(self.now_ms)

    def until(self, seconds: float) -> Callable[[], None]:
        """What ends a sleep that begins now."""
        moment_ns = self.now_ns + round(seconds * 1e9)
        return lambda: self.wait(max(0, moment_ns - self.now_ns) / 1e9)

    # Reported by processes

    def next_label(self) -> str:
        self.labels += 1
        return f"v{self.labels}"

    def committed(self, process: Process) -> None:
        place, is_new = self._note_commit()
        if is_new:
            process.version = place
            if process.name not in self.holders.values():
                self.oracle.disturbed(place)

    def note_holder(self, process: Process, holder: str) -> None:
        self.holders[holder] = process.name
        if self.server.is_down:
            self.oracle.disturbed(process.name)
