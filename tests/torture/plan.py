"""What one run does: how long, with how many of everything, and which faults."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from cache_layer.options import Options

Algorithm = Literal["ours", "classic"]
Topology = Literal["single", "sentinel", "cluster"]

FAULTS = {
    "kill-servers": "SIGKILL of a web server in the middle of a write, then a new one",
    "kill-writers": "SIGKILL of a writer in the middle of a write, then a new one",
    "kill-redis": "SIGKILL of Redis, restarted from its snapshot",
    "stop-redis": "SIGSTOP of Redis for 0.1 to 3 s",
    "flushdb": "FLUSHDB",
    "flushall": "FLUSHALL and SCRIPT FLUSH",
    "kill-relay": "SIGKILL of the web server that relays, then a new one",
    "drop-redis": "CLIENT KILL TYPE normal",
    "drop-postgres": "pg_terminate_backend",
    "rollback": "transactions and savepoints that are rolled back",
    "bulk": "update() and bulk_update() of several rows",
    "raw": "SQL behind Django's back",
    "long": "transactions that outlive the hold",
}
"""Every fault by name. The last four are kinds of writes; the others are done to running processes."""

TAKEOVERS = {
    "kill-primary": "SIGKILL of a primary, started again when its replica has taken over",
    "fail-over": "SENTINEL FAILOVER, or CLUSTER FAILOVER, once or twice in a row",
}
HITS = {
    "stop-primary": "SIGSTOP of a primary for 0.1 to 3 s, or until its replica has taken over",
    "flush-primary": "FLUSHALL and SCRIPT FLUSH of one primary",
}
MOVES = {
    "move-slots": "a hot key's slot moves to another node, key by key",
    "migrate-slots": "the same with CLUSTER MIGRATESLOTS (nothing before Valkey 9)",
}
SERVER_FAULTS = frozenset({"kill-redis", "stop-redis", "flushdb", "flushall", "drop-redis"})
"""What is done to Redis where it is one server."""

REDIS_LOST = frozenset({"kill-redis", "flushdb", "flushall", *TAKEOVERS, *HITS})
"""Faults that take holds away."""
SILENCES = frozenset({"stop-redis", "stop-primary", *TAKEOVERS})
"""Faults during which Redis may not answer at all."""

QUIET_CODE = "quiet"
"""An entity type that no reader reads."""
CALM_CODE = "calm"
"""One that nobody changes, so that whether a read of it is replayed hangs on its token alone."""
STOPPED = "stopped"
"""A window in which a web server is being stopped, is away, or is starting: by whoever replaces it, not by a fault."""
DEFAULT_HOLD_MS = 5_000
SHORT_HOLD_MS = 1_000
WRITE_BUDGET_MS = 2_000


@dataclass(frozen=True)
class Plan:
    """
    One run.

    Attributes:
        readers: keep-alive connections, each with one request under way at any time.
        people: writers beside the others, who end people's tokens and permissions; the classic algorithm has none.
        people_readers: connections beside the others, which read with those tokens.
        rest_ms: how long readers rest after each round of answers.
        pause_ms: how long a writer rests between two writes at most; the mean is half of it.
        lease_ms: how long copies in memory may be used. A slow machine hides that a writer does not wait for them,
            unless this is long.
        skew: whether each server's wall clock is hours from those of the others.
        quiet_writes: how many writes are timed, one after the other, before the load begins.
    """

    seconds: float = 60
    faults: frozenset[str] = frozenset()
    algorithm: Algorithm = "ours"
    servers: int = 3
    writers: int = 6
    readers: int = 9
    people: int = 3
    people_readers: int = 12
    keys: int = 6
    seed: int = 1
    rest_ms: int = 0
    pause_ms: int = 250
    lease_ms: int = Options.local_lease_ms
    write_policy: str = "available"
    skew: bool = False
    topology: Topology = "single"
    quiet_writes: int = 40

    @property
    def hold_ms(self) -> int:
        """Short where transactions are to outlive it."""
        return SHORT_HOLD_MS if "long" in self.faults else DEFAULT_HOLD_MS

    @property
    def people_slots(self) -> range:
        """The writers who end people's tokens, after the others."""
        return range(self.writers, self.writers + (self.people if self.algorithm == "ours" else 0))

    @property
    def kinds(self) -> list[str]:
        """
        Of the writers: HTTP and ORM by turns; the last one behind Django's back, if that is asked for; people's.

        The models of the classic algorithm are those of its servers: it is changed by HTTP alone.
        """
        kinds = ["http" if slot % 2 == 0 or self.algorithm == "classic" else "orm" for slot in range(self.writers)]
        if "raw" in self.faults:
            kinds[-1] = "raw"
        return kinds + ["people"] * len(self.people_slots)

    @property
    def codes(self) -> list[str]:
        """The hot keys."""
        return [f"hot_{number}" for number in range(self.keys)]


def faults_of(topology: Topology) -> dict[str, str]:
    """What can happen there."""
    if topology == "single":
        return FAULTS
    elsewhere = {name: text for name, text in FAULTS.items() if name not in SERVER_FAULTS}
    return TAKEOVERS | HITS | (MOVES if topology == "cluster" else {}) | elsewhere


def name_faults(faults: Collection[str]) -> str:
    """The list that `--faults` takes."""
    if set(faults) == FAULTS.keys():
        return "all"
    return ",".join(name for name in TAKEOVERS | HITS | MOVES | FAULTS if name in faults) or "none"
