"""
What is done to the running system.

Each fault is a generator that yields how many seconds to wait. `Injector` runs several lanes of them side by side in
one thread, one lane for each kind of process, and notes when each fault began and was over.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import random
import signal
import time
from collections.abc import Callable, Generator, Iterator
from time import monotonic_ns

from redis.exceptions import RedisError

from tests.stage import is_answering
from tests.topologies import Server
from tests.torture.records import Window, find_unfinished
from tests.torture.stage import Stage

Steps = Generator[float, None, tuple[int, str]]
"""Seconds to wait; in the end the server that was hit (-1 for none) and a note."""

AIM_SECONDS = 1.0
AIM_STEP_SECONDS = 0.003
READY_STEP_SECONDS = 0.05
TAKEOVER_LIMIT_SECONDS = 15


def kill_server(stage: Stage, rng: random.Random) -> Steps:
    """While one of our writers waits for it, if that happens within a second."""
    number = rng.randrange(len(stage.servers))
    aimed = yield from _aim(stage, lambda asked: asked == number)
    yield rng.uniform(0, 0.08)
    yield from _replace_server(stage, number, rng)
    return number, "mid-write" if aimed is not None else ""


def kill_writer(stage: Stage, rng: random.Random) -> Steps:
    slot = yield from _aim(stage, lambda _: rng.random() < 0.5)
    yield rng.uniform(0, 0.08)
    processes = stage.writer_processes()
    with contextlib.suppress(ProcessLookupError):
        os.kill(processes[slot if slot is not None else rng.choice(list(processes))], signal.SIGKILL)
    return -1, "mid-write" if slot is not None else ""


def kill_redis(stage: Stage, rng: random.Random) -> Steps:
    """Its snapshot is some tenths of a second old by then."""
    with contextlib.suppress(RedisError):  # one is being written already
        stage.redis.bgsave()
    yield rng.uniform(0.1, 1.0)
    stage.kill_valkey()
    yield rng.choice([0, rng.uniform(0, 1)])
    stage.start_valkey()
    while not stage.is_redis_answering():
        yield READY_STEP_SECONDS
    return -1, f"{stage.redis.info('persistence').get('rdb_last_load_keys_loaded')} keys restored"


def stop_redis(stage: Stage, rng: random.Random) -> Steps:
    stage.valkey.process.send_signal(signal.SIGSTOP)
    yield rng.uniform(0.1, 3)
    stage.valkey.process.send_signal(signal.SIGCONT)
    return -1, ""


def flush_database(stage: Stage, _: random.Random) -> Steps:
    stage.redis.flushdb()
    yield 0
    return -1, ""


def flush_everything(stage: Stage, _: random.Random) -> Steps:
    stage.redis.flushall()
    yield 0
    stage.redis.script_flush()
    return -1, ""


def kill_relay(stage: Stage, rng: random.Random) -> Steps:
    """With the server that it is in."""
    while not stage.is_relaying():
        yield READY_STEP_SECONDS
    number = stage.relaying_server()
    if number is None:
        return -1, "none"
    yield from _replace_server(stage, number, rng)
    return number, ""


def drop_redis_connections(stage: Stage, _: random.Random) -> Steps:
    dropped = stage.redis.client_kill_filter(_type="normal", skipme=True)
    yield 0
    return -1, f"{dropped} connections"


def drop_database_sessions(stage: Stage, rng: random.Random) -> Steps:
    """A third of them."""
    dropped = stage.database.execute(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND hashint4(pid # %s) %% 3 = 0",
        [rng.getrandbits(30)],
    ).fetchone()
    yield 0.05
    while not stage.is_relaying():
        yield READY_STEP_SECONDS
    return -1, f"{dropped and dropped[0]} sessions"


def kill_primary(stage: Stage, rng: random.Random) -> Steps:
    victim = stage.topology.primary_of(f"entity:metadata:{rng.choice(stage.plan.codes)}")
    begun = time.monotonic()
    victim.kill()
    yield from _wait_until_replaced(stage, victim)
    yield rng.uniform(0, 0.5)
    victim.start()
    return (yield from _wait_until_usable(stage, begun))


def fail_over(stage: Stage, rng: random.Random) -> Steps:
    begun = time.monotonic()
    for _ in range(rng.choice((1, 2))):
        stage.topology.fail_over()
    return (yield from _wait_until_usable(stage, begun))


def stop_primary(stage: Stage, rng: random.Random) -> Steps:
    """It goes on as the primary it was, with all that it had, whatever has become of it meanwhile."""
    victim = stage.topology.primary_of(f"entity:metadata:{rng.choice(stage.plan.codes)}")
    begun = time.monotonic()
    victim.signal(signal.SIGSTOP)
    if rng.random() < 0.5:
        yield rng.uniform(0.1, 3)
    else:
        yield from _wait_until_replaced(stage, victim)
        yield rng.uniform(0, 2)
    victim.signal(signal.SIGCONT)
    return (yield from _wait_until_usable(stage, begun))


def move_slots(stage: Stage, rng: random.Random) -> Steps:
    key = f"entity:metadata:{rng.choice(stage.plan.codes)}"
    source = stage.topology.primary_of(key)
    target = rng.choice([server for server in stage.topology.primaries() if server is not source])
    move = stage.topology.begin_move(key, target)
    yield rng.uniform(0, 0.5)
    move.move_keys()
    yield rng.uniform(0, 0.5)
    move.end()
    return -1, ""


def flush_primary(stage: Stage, rng: random.Random) -> Steps:
    victim = stage.topology.primary_of(f"entity:metadata:{rng.choice(stage.plan.codes)}")
    victim.ask("FLUSHALL")
    yield rng.choice([0, rng.uniform(0, 0.5)])
    victim.ask("SCRIPT", "FLUSH")
    return -1, ""


def migrate_slots(stage: Stage, rng: random.Random) -> Steps:
    key = f"entity:metadata:{rng.choice(stage.plan.codes)}"
    source = stage.topology.primary_of(key)
    stage.topology.migrate(key, rng.choice([server for server in stage.topology.primaries() if server is not source]))
    yield 0
    return -1, ""


def _replace_server(stage: Stage, number: int, rng: random.Random) -> Generator[float, None, None]:
    """Kill a server and start another, until that answers, and one of all relays."""
    stage.kill_server(number)
    yield rng.uniform(0, 0.3)
    stage.replace_server(number)
    while not (is_answering(stage.ports[number]) and stage.is_relaying()):
        yield READY_STEP_SECONDS


def _wait_until_replaced(stage: Stage, gone: Server) -> Generator[float, None, None]:
    """Until another has its place; nobody takes that of a primary without a replica."""
    deadline = time.monotonic() + TAKEOVER_LIMIT_SECONDS
    while stage.topology.is_taken_for_primary(gone) and time.monotonic() < deadline:
        yield READY_STEP_SECONDS


def _wait_until_usable(stage: Stage, begun: float) -> Steps:
    """Until every server says that the cache is well (how long that took, in ms, is noted) and all replicas follow."""
    while not all(stage.has_cache(number) for number in range(len(stage.servers))):
        yield READY_STEP_SECONDS
    usable = time.monotonic()
    while not stage.topology.is_whole():
        yield READY_STEP_SECONDS
    return -1, f"{(usable - begun) * 1000:.0f}"


LANES: tuple[dict[str, Callable[[Stage, random.Random], Steps]], ...] = (
    {
        "kill-redis": kill_redis,
        "stop-redis": stop_redis,
        "flushdb": flush_database,
        "flushall": flush_everything,
        "drop-redis": drop_redis_connections,
        "kill-primary": kill_primary,
        "fail-over": fail_over,
        "stop-primary": stop_primary,
        "flush-primary": flush_primary,
        "move-slots": move_slots,
        "migrate-slots": migrate_slots,
    },
    {"kill-servers": kill_server, "kill-writers": kill_writer, "kill-relay": kill_relay},
    {"drop-postgres": drop_database_sessions},
)
PAUSES = ((0.3, 1.5), (1.0, 5.0), (1.0, 3.0))
"""Seconds between two faults of a lane."""


class Injector:
    """Runs the plan's faults and remembers them."""

    def __init__(self, stage: Stage, faults: frozenset[str], seed: int) -> None:
        self.stage = stage
        self.windows: list[Window] = []
        self._random = random.Random(seed)
        self._faults = faults

    def run(self, until_ns: int) -> None:
        """Begin faults until then, and see the last ones through; returns at `until_ns` at the earliest."""
        waiting: list[tuple[float, int, Iterator[float]]] = []
        for number, lane in enumerate(LANES):
            chosen = [name for name in lane if name in self._faults]
            if chosen:
                waiting.append((time.monotonic(), number, self._run_lane(number, chosen, until_ns)))
        while waiting:
            due, number, steps = heapq.heappop(waiting)
            time.sleep(max(0, due - time.monotonic()))
            with contextlib.suppress(StopIteration):
                heapq.heappush(waiting, (time.monotonic() + next(steps), number, steps))
        time.sleep(max(0, (until_ns - monotonic_ns()) / 1e9))

    def _run_lane(self, number: int, names: list[str], until_ns: int) -> Iterator[float]:
        while True:
            pause = self._random.uniform(*PAUSES[number])
            if monotonic_ns() + pause * 1e9 > until_ns:
                return
            yield pause
            name = self._random.choice(names)
            begun = monotonic_ns()
            target, note = yield from LANES[number][name](self.stage, self._random)
            self.windows.append(Window(name, begun, monotonic_ns(), target, note))


def _aim(stage: Stage, wanted: Callable[[int], bool]) -> Generator[float, None, int | None]:
    """Wait until a writer is in the middle of a write that is `wanted`, by the server it asks; gives its slot."""
    for _ in range(int(AIM_SECONDS / AIM_STEP_SECONDS)):
        for slot in range(len(stage.plan.kinds)):
            asked = find_unfinished(stage.orders.log_of(slot))
            if asked is not None and wanted(asked):
                return slot
        yield AIM_STEP_SECONDS
    return None
