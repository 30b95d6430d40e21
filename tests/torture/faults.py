"""What is done to the running system, by one thread: the kernel ends processes with the thread that started them."""

import asyncio
import contextlib
import os
import random
import signal
import time
from asyncio import sleep
from collections.abc import Awaitable, Callable
from time import monotonic_ns
from typing import NamedTuple

from redis.exceptions import RedisError

from tests.stage import is_answering
from tests.topologies import Server
from tests.torture.records import Window, find_unfinished
from tests.torture.stage import Stage

AIM_SECONDS = 1.0
AIM_STEP_SECONDS = 0.003
READY_STEP_SECONDS = 0.05
TAKEOVER_LIMIT_SECONDS = 15


class Hit(NamedTuple):
    """Which server was hit (-1 where that says nothing), and a note."""

    server: int = -1
    note: str = ""


async def kill_servers(stage: Stage, rng: random.Random) -> Hit:
    """While one of our writers waits for it, if that happens within a second."""
    number = rng.randrange(len(stage.servers))
    aimed = await _aim(stage, lambda asked: asked == number)
    await sleep(rng.uniform(0, 0.08))
    await _replace_server(stage, number, rng)
    return Hit(number, "mid-write" if aimed is not None else "")


async def kill_writers(stage: Stage, rng: random.Random) -> Hit:
    slot = await _aim(stage, lambda _: rng.random() < 0.5)
    await sleep(rng.uniform(0, 0.08))
    processes = stage.writer_processes()
    with contextlib.suppress(ProcessLookupError):
        os.kill(processes[slot if slot is not None else rng.choice(list(processes))], signal.SIGKILL)
    return Hit(note="mid-write" if slot is not None else "")


async def kill_redis(stage: Stage, rng: random.Random) -> Hit:
    """Its snapshot is some tenths of a second old by then."""
    with contextlib.suppress(RedisError):  # one is being written already
        stage.redis.bgsave()
    await sleep(rng.uniform(0.1, 1.0))
    stage.valkey.kill()
    await sleep(rng.choice([0, rng.uniform(0, 1)]))
    stage.valkey.start()
    await _until(stage.valkey.answers)
    return Hit(note=f"{stage.redis.info('persistence').get('rdb_last_load_keys_loaded')} keys restored")


async def stop_redis(stage: Stage, rng: random.Random) -> None:
    stage.valkey.signal(signal.SIGSTOP)
    await sleep(rng.uniform(0.1, 3))
    stage.valkey.signal(signal.SIGCONT)


async def flushdb(stage: Stage, _: random.Random) -> None:
    stage.redis.flushdb()


async def flushall(stage: Stage, _: random.Random) -> None:
    stage.redis.flushall()
    stage.redis.script_flush()


async def kill_relay(stage: Stage, rng: random.Random) -> Hit:
    """With the server that it is in."""
    await _until(stage.is_relaying)
    number = stage.relaying_server()
    if number is None:
        return Hit(note="none")
    await _replace_server(stage, number, rng)
    return Hit(number)


async def drop_redis(stage: Stage, _: random.Random) -> Hit:
    return Hit(note=f"{stage.redis.client_kill_filter(_type='normal', skipme=True)} connections")


async def drop_postgres(stage: Stage, rng: random.Random) -> Hit:
    """A third of them."""
    dropped = stage.database.execute(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND hashint4(pid # %s) %% 3 = 0",
        [rng.getrandbits(30)],
    ).fetchone()
    await sleep(0.05)
    await _until(stage.is_relaying)
    return Hit(note=f"{dropped and dropped[0]} sessions")


async def kill_primary(stage: Stage, rng: random.Random) -> Hit:
    _, victim = _choose_primary(stage, rng)
    begun = time.monotonic()
    victim.kill()
    await _until_replaced(stage, victim)
    await sleep(rng.uniform(0, 0.5))
    victim.start()
    return await _until_usable(stage, begun)


async def fail_over(stage: Stage, rng: random.Random) -> Hit:
    begun = time.monotonic()
    for _ in range(rng.choice((1, 2))):
        stage.topology.fail_over()
    return await _until_usable(stage, begun)


async def stop_primary(stage: Stage, rng: random.Random) -> Hit:
    """It goes on as the primary it was, with all that it had, whatever has become of it meanwhile."""
    _, victim = _choose_primary(stage, rng)
    begun = time.monotonic()
    victim.signal(signal.SIGSTOP)
    if rng.random() < 0.5:
        await sleep(rng.uniform(0.1, 3))
    else:
        await _until_replaced(stage, victim)
        await sleep(rng.uniform(0, 2))
    victim.signal(signal.SIGCONT)
    return await _until_usable(stage, begun)


async def flush_primary(stage: Stage, rng: random.Random) -> None:
    _, victim = _choose_primary(stage, rng)
    victim.ask("FLUSHALL")
    await sleep(rng.choice([0, rng.uniform(0, 0.5)]))
    victim.ask("SCRIPT", "FLUSH")


async def move_slots(stage: Stage, rng: random.Random) -> None:
    key, source = _choose_primary(stage, rng)
    move = stage.topology.begin_move(key, _choose_other(stage, source, rng))
    await sleep(rng.uniform(0, 0.5))
    move.move_keys()
    await sleep(rng.uniform(0, 0.5))
    move.end()


async def migrate_slots(stage: Stage, rng: random.Random) -> None:
    key, source = _choose_primary(stage, rng)
    stage.topology.migrate(key, _choose_other(stage, source, rng))


def _choose_primary(stage: Stage, rng: random.Random) -> tuple[str, Server]:
    """A hot key, and the server that has it."""
    key = f"entity:metadata:{rng.choice(stage.plan.codes)}"
    return key, stage.topology.primary_of(key)


def _choose_other(stage: Stage, source: Server, rng: random.Random) -> Server:
    return rng.choice([server for server in stage.topology.primaries() if server is not source])


async def _replace_server(stage: Stage, number: int, rng: random.Random) -> None:
    """Kill a server and start another, until that answers, and one of all relays."""
    stage.kill_server(number)
    await sleep(rng.uniform(0, 0.3))
    stage.replace_server(number)
    await _until(lambda: is_answering(stage.ports[number]) and stage.is_relaying())


async def _until_replaced(stage: Stage, gone: Server) -> None:
    """Until another has its place; nobody takes that of a primary without a replica."""
    deadline = time.monotonic() + TAKEOVER_LIMIT_SECONDS
    await _until(lambda: not stage.topology.is_taken_for_primary(gone) or time.monotonic() > deadline)


async def _until_usable(stage: Stage, begun: float) -> Hit:
    """Until every server says that the cache is well (how long that took, in ms, is noted) and all replicas follow."""
    await _until(lambda: all(map(stage.has_cache, range(len(stage.servers)))))
    usable = time.monotonic()
    await _until(stage.topology.is_whole)
    return Hit(note=f"{(usable - begun) * 1000:.0f}")


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await sleep(READY_STEP_SECONDS)


async def _aim(stage: Stage, wanted: Callable[[int], bool]) -> int | None:
    """Wait until a writer is in the middle of a write that is `wanted`, by the server it asks; gives its slot."""
    for _ in range(int(AIM_SECONDS / AIM_STEP_SECONDS)):
        for slot in range(len(stage.plan.kinds)):
            asked = find_unfinished(stage.orders.log_of(slot))
            if asked is not None and wanted(asked):
                return slot
        await sleep(AIM_STEP_SECONDS)
    return None


Fault = Callable[[Stage, random.Random], Awaitable[Hit | None]]
OF_REDIS: list[Fault] = [kill_redis, stop_redis, flushdb, flushall, drop_redis]
OF_PRIMARIES: list[Fault] = [kill_primary, fail_over, stop_primary, flush_primary, move_slots, migrate_slots]
OF_PROCESSES: list[Fault] = [kill_servers, kill_writers, kill_relay]
LANES = (((0.3, 1.5), OF_REDIS + OF_PRIMARIES), ((1.0, 5.0), OF_PROCESSES), ((1.0, 3.0), [drop_postgres]))
"""Seconds between two faults of one kind of process, of which one happens at a time; and those, by their names."""


class Injector:
    """Runs the plan's faults and remembers them."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.windows: list[Window] = []
        self._random = random.Random(stage.plan.seed)

    def run(self, until_ns: int) -> None:
        """Begin faults until then, and see the last ones through; returns at `until_ns` at the earliest."""
        asyncio.run(self._run_lanes(until_ns))
        time.sleep(max(0, (until_ns - monotonic_ns()) / 1e9))

    async def _run_lanes(self, until_ns: int) -> None:
        await asyncio.gather(*(self._run_lane(pauses, lane, until_ns) for pauses, lane in LANES))

    async def _run_lane(self, pauses: tuple[float, float], faults: list[Fault], until_ns: int) -> None:
        named = {fault.__name__.replace("_", "-"): fault for fault in faults}
        names = [name for name in named if name in self.stage.plan.faults]
        while names and monotonic_ns() + (pause := self._random.uniform(*pauses)) * 1e9 <= until_ns:
            await sleep(pause)
            name = self._random.choice(names)
            begun = monotonic_ns()
            hit = await named[name](self.stage, self._random) or Hit()
            self.windows.append(Window(name, begun, monotonic_ns(), *hit))
