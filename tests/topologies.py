"""Real clusters and sentinels, on ports of their own, whose servers tests may stop, kill and swap."""

from __future__ import annotations

import contextlib
import functools
import random
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from redis import Redis
from redis.cluster import RedisCluster
from redis.crc import key_slot
from redis.exceptions import RedisError, ResponseError
from redis.sentinel import Sentinel

from pmo.processes import start_process, stop_process
from pmo.run.engines.valkey import HOST, server_program
from tests.waiting import wait_for

Topology = TypeVar("Topology", "Cluster", "Sentinels")
PORTS = (20_000, 30_000)
"""Below those the kernel gives to clients: none of theirs may take the port of a server that is down."""
SLOTS = 16_384
SHARDS = 3
SERVICE = "pmo"


@dataclass
class Server:
    """
    One Valkey (or sentinel), which can be started again on the same port.

    Attributes:
        options: of its command line; a configuration file comes first.
    """

    directory: Path
    options: Sequence[str]
    port: int = field(default_factory=lambda: find_port())  # noqa: PLW0108 - it is defined below
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.directory.mkdir(exist_ok=True)
        place = ("--port", str(self.port), "--bind", HOST, "--dir", str(self.directory))
        with (self.directory / "log").open("ab") as log:
            self.process = start_process(
                [server_program(), *self.options, *place],
                farewell=signal.SIGKILL,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None:
            stop_process(self.process, signal.SIGKILL)

    def ask(self, *command: Any) -> Any:
        """The answer to one command, on a connection of its own."""
        with contextlib.closing(Redis(port=self.port, protocol=2, socket_timeout=5)) as client:
            return client.execute_command(*command)

    def info(self, section: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("INFO", section)
        return found

    def answers(self) -> bool:
        with contextlib.suppress(RedisError):
            return bool(self.ask("PING"))
        return False

    def is_primary(self) -> bool:
        return self._role() == "master"

    def follows(self) -> bool:
        """Whether it is a replica that has all its primary has."""
        return self._role() == "slave"

    def _role(self) -> str:
        with contextlib.suppress(RedisError):
            found = self.info("replication")
            return str(found["role"]) if found.get("master_link_status", "up") == "up" else ""
        return ""


PLAIN = ("--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", "--maxmemory-policy", "noeviction")
FENCED = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "3")
"""As the documentation asks for: of two or three servers only one can be a primary that others follow."""


class Cluster:
    """
    Three shards of a primary and a replica each, and one node without slots (and so without need of a replica).

    Attributes:
        servers: the first three begin as primaries, the next three as their replicas, the last one has nothing.
    """

    def __init__(self, directory: Path, timeout_ms: int = 2_000) -> None:
        self._ports = [find_port() for _ in range(2 * SHARDS + 1)]
        options = (
            *PLAIN,
            *("--cluster-enabled", "yes", "--cluster-node-timeout", str(timeout_ms)),
            *("--cluster-require-full-coverage", "no", "--cluster-replica-validity-factor", "0"),
            *("--cluster-allow-replica-migration", "no"),
        )
        self.servers = [
            Server(
                directory / f"node-{number}",
                (*options, *(FENCED if number < 2 * SHARDS else ()), "--cluster-port", str(port)),
            )
            for number, port in enumerate(self._ports)
        ]
        self.processes = self.servers

    @property
    def url(self) -> str:
        """Two nodes are enough to find the others; one of them is a replica."""
        return f"redis+cluster://{HOST}:{self.servers[SHARDS].port},{HOST}:{self.servers[1].port}"

    def form(self) -> None:
        for server in self.servers:
            server.start()
        wait_for(lambda: all(server.answers() for server in self.servers))
        for number, server in enumerate(self.servers):
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number, server in enumerate(self.servers[:SHARDS]):
            server.ask("CLUSTER", "ADDSLOTSRANGE", SLOTS * number // SHARDS, SLOTS * (number + 1) // SHARDS - 1)
        for server, port in zip(self.servers[1:], self._ports[1:], strict=True):
            self.servers[0].ask("CLUSTER", "MEET", HOST, server.port, port)
        for primary, replica in zip(self.servers[:SHARDS], self.servers[SHARDS:-1], strict=True):
            wait_for(functools.partial(_succeeds, replica, "CLUSTER", "REPLICATE", _id(primary)))
        wait_for(self.is_whole)

    def is_whole(self) -> bool:
        """Whether every node knows of one primary for each slot, and every replica follows."""
        try:
            return all(self._is_settled(server) for server in self.servers)
        except RedisError:
            return False

    def primary_of(self, key: str) -> Server:
        """The server that has the key's slot, as the others see it."""
        slot = key_slot(key.encode())
        for server in self.servers:
            with contextlib.suppress(RedisError):
                for first, last, (_, port, *_), *_ in server.ask("CLUSTER", "SLOTS"):
                    if first <= slot <= last:
                        found = self._by_port(port)
                        if found.is_primary():
                            return found
        raise LookupError(key)

    def primaries(self) -> list[Server]:
        return [server for server in self.servers if server.is_primary()]

    def is_taken_for_primary(self, gone: Server) -> bool:
        """Whether some node thinks that a server that is gone still has its slots."""
        return any(
            primary[1] == gone.port
            for server in self.servers
            if server is not gone and server.answers()
            for _, _, primary, *_ in server.ask("CLUSTER", "SLOTS")
        )

    def fail_over(self) -> None:
        """Have a primary and its replica change places, in agreement."""
        primary = random.choice(self.primaries()[:SHARDS])
        with contextlib.suppress(StopIteration):  # the spare node has none
            replica = self.replica_of(primary)
            replica.ask("CLUSTER", "FAILOVER")
            wait_for(replica.is_primary)

    def client(self) -> RedisCluster:
        return RedisCluster(HOST, self.servers[0].port, socket_timeout=10)

    def replica_of(self, primary: Server) -> Server:
        """A replica that follows `primary`."""
        return next(
            server
            for server in self.servers
            if server.answers() and server.info("replication").get("master_port") == primary.port
        )

    def take_over(self, replica: Server) -> None:
        """Make a replica the primary at once, whatever the others think."""
        replica.ask("CLUSTER", "FAILOVER", "TAKEOVER")
        wait_for(lambda: replica.is_primary() and self._others_know(replica))

    def migrate(self, key: str, target: Server) -> None:
        """Have a key's slot move at once, with all its keys; nothing where it is being moved, or before Valkey 9."""
        slot, source = key_slot(key.encode()), self.primary_of(key)
        if _succeeds(source, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", _id(target)):
            wait_for(lambda: not _is_migrating(source))

    def begin_move(self, key: str, target: Server) -> Move:
        """Begin to move a key's slot, and none of its keys."""
        move = Move(self, key_slot(key.encode()), self.primary_of(key), target)
        target.ask("CLUSTER", "SETSLOT", move.slot, "IMPORTING", _id(move.source))
        move.source.ask("CLUSTER", "SETSLOT", move.slot, "MIGRATING", _id(target))
        return move

    def _by_port(self, port: int) -> Server:
        return next(server for server in self.servers if server.port == port)

    def _others_know(self, primary: Server) -> bool:
        identity = _id(primary).decode()
        views = [server.ask("CLUSTER NODES") for server in self.servers if server.answers()]
        return all(
            any(name == identity and "master" in line["flags"] for line in view.values() for name in [line["node_id"]])
            for view in views
        )

    def _is_settled(self, server: Server) -> bool:
        state = server.ask("CLUSTER INFO")
        return (
            state["cluster_state"] == "ok"
            and int(state["cluster_known_nodes"]) == len(self.servers)
            and (server.is_primary() or server.follows())
        )


class Move(NamedTuple):
    """A slot on its way."""

    cluster: Cluster
    slot: int
    source: Server
    target: Server

    def move_keys(self) -> None:
        while keys := self.source.ask("CLUSTER", "GETKEYSINSLOT", self.slot, 1):
            self.source.ask("MIGRATE", HOST, self.target.port, "", 0, 5_000, "KEYS", *keys)

    def end(self) -> None:
        """Move what is left, and tell every primary."""
        self.move_keys()
        for server in (self.target, self.source, *self.cluster.primaries()):
            server.ask("CLUSTER", "SETSLOT", self.slot, "NODE", _id(self.target))


class Sentinels:
    """
    A primary, two replicas, and three sentinels that agree by two.

    Attributes:
        servers: the first one begins as the primary.
    """

    def __init__(self, directory: Path, down_after_ms: int = 1_500) -> None:
        primary = Server(directory / "server-0", (*PLAIN, *FENCED))
        replicaof = ("--replicaof", f"{HOST} {primary.port}")
        self.servers = [primary, *(Server(directory / f"server-{n}", (*PLAIN, *FENCED, *replicaof)) for n in (1, 2))]
        self.sentinels = []
        for number in range(3):
            file = directory / f"sentinel-{number}.conf"
            file.write_text(
                f"sentinel monitor {SERVICE} {HOST} {primary.port} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} {down_after_ms}\n"
                f"sentinel failover-timeout {SERVICE} 3000\n"
                f"sentinel parallel-syncs {SERVICE} 2\n"
            )
            self.sentinels.append(Server(directory / f"sentinel-{number}", (str(file), "--sentinel")))
        self.processes = [*self.sentinels, *self.servers]

    @property
    def url(self) -> str:
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    def form(self) -> None:
        for server in self.servers:
            server.start()
        wait_for(lambda: all(server.follows() for server in self.servers[1:]))
        for sentinel in self.sentinels:
            sentinel.start()
        wait_for(self.is_whole)

    def is_whole(self) -> bool:
        """Whether every sentinel knows the others and both replicas, and these follow."""
        try:
            views = [sentinel.ask("SENTINEL MASTER", SERVICE) for sentinel in self.sentinels]
        except RedisError:
            return False
        return (
            all(int(view["num-slaves"]) >= 2 and int(view["num-other-sentinels"]) == 2 for view in views)
            and len({view["port"] for view in views}) == 1
            and sum(server.follows() for server in self.servers) == 2
        )

    def primary_of(self, _key: str) -> Server:
        return self.primary()

    def is_taken_for_primary(self, gone: Server) -> bool:
        """Whether the sentinels have named no other since."""
        return self.primary() is gone

    def client(self) -> Redis:
        addresses = [(HOST, sentinel.port) for sentinel in self.sentinels]
        client: Redis = Sentinel(addresses, socket_timeout=10).master_for(SERVICE)
        return client

    def primary(self) -> Server:
        port = int(self.sentinels[0].ask("SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)[1])
        return next(server for server in self.servers if server.port == port)

    def fail_over(self) -> None:
        """Have the sentinels make a replica the primary."""
        before = self.primary()
        wait_for(lambda: _succeeds(self.sentinels[0], "SENTINEL", "FAILOVER", SERVICE))
        wait_for(lambda: self.primary() is not before and self.primary().is_primary())


@contextlib.contextmanager
def running(topology: Topology) -> Iterator[Topology]:
    """It is whole when the block begins, and gone after it."""
    try:
        topology.form()
        yield topology
    finally:
        for server in topology.processes:
            server.stop()


_found: set[int] = set()


def find_port() -> int:
    """A free port that the kernel gives to nobody by itself, another one each time."""
    while True:
        port = random.SystemRandom().randrange(*PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            if port not in _found:
                _found.add(port)
                return port


def _id(server: Server) -> bytes:
    found: bytes = server.ask("CLUSTER", "MYID")
    return found


def _is_migrating(source: Server) -> bool:
    """Whether the newest migration from this server is under way."""
    newest = source.ask("CLUSTER", "GETSLOTMIGRATIONS")[0]
    return newest[newest.index(b"state") + 1] not in (b"success", b"failed", b"cancelled")


def _succeeds(server: Server, *command: Any) -> bool:
    with contextlib.suppress(ResponseError):
        server.ask(*command)
        return True
    return False
