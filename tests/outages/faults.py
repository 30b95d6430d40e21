"""What can be wrong with Redis and with PostgreSQL: how it is brought about, and how it ends."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from tests.outages.prepare import ROLE
from tests.outages.proxy import Mode
from tests.outages.stage import Stage
from tests.waiting import wait_for

Step = Callable[[Stage], None]


def nothing(_: Stage) -> None:
    """Leave it as it is."""


@dataclass(frozen=True)
class Fault:
    """
    One way to fail.

    Attributes:
        says: what it is, for the documentation.
        begin: before the requests are sent.
        meanwhile: while they are under way, a quarter of the budget later.
        end: has it work again; also if `begin` did not come to its end.
        silent: whether a server cannot tell it from a Redis that others still reach.
    """

    says: str
    begin: Step = nothing
    meanwhile: Step = nothing
    end: Step = nothing
    silent: bool = False


def _redis(mode: Mode, *servers: int) -> Step:
    def change(stage: Stage) -> None:
        for number in servers or range(len(stage.redis)):
            stage.redis[number].set_mode(mode)

    return change


def _postgres(mode: Mode) -> Step:
    return lambda stage: stage.postgres.set_mode(mode)


def _drop_redis(stage: Stage) -> None:
    for proxy in stage.redis:
        proxy.drop_connections()


def _fill_redis(stage: Stage) -> None:
    stage.admin.config_set("maxmemory", "1")


def _empty_redis(stage: Stage) -> None:
    stage.admin.config_set("maxmemory", "0")


def _lose_disk(stage: Stage) -> None:
    """Its snapshot fails, so it takes no writes, by Redis' own default."""
    stage.admin.config_set("save", "3600 1000000")
    stage.admin.config_set("stop-writes-on-bgsave-error", "yes")
    shutil.rmtree(stage.valkey_data, ignore_errors=True)
    stage.admin.bgsave()
    wait_for(lambda: stage.admin.info("persistence")["rdb_last_bgsave_status"] == "err")


def _find_disk(stage: Stage) -> None:
    stage.valkey_data.mkdir(exist_ok=True)
    stage.admin.config_set("save", "")


def _demote_redis(stage: Stage) -> None:
    """As Sentinel does, which also ends all connections."""
    stage.admin.replicaof("127.0.0.1", "1")
    _drop_redis(stage)


def _promote_redis(stage: Stage) -> None:
    stage.admin.replicaof("NO", "ONE")
    _drop_redis(stage)


def _lock_redis(stage: Stage) -> None:
    stage.admin.config_set("requirepass", "another")
    _drop_redis(stage)


def _unlock_redis(stage: Stage) -> None:
    stage.admin.config_set("requirepass", "")


def _restart_redis(stage: Stage) -> None:
    if stage.valkey.process.poll() is not None:
        stage.start_valkey()


def _role(change: str) -> Step:
    def alter(stage: Stage) -> None:
        stage.database.execute(f"ALTER ROLE {ROLE} {change}")
        stage.postgres.drop_connections()

    return alter


REDIS = {
    "healthy": Fault("it answers"),
    "slow": Fault("each way takes a quarter of a command's time limit", _redis(Mode.SLOW), end=_redis(Mode.PASS)),
    "refusing": Fault("nobody listens; connections are reset", _redis(Mode.REFUSE), end=_redis(Mode.PASS)),
    "hanging": Fault(
        "it accepts connections and does not reply", _redis(Mode.HANG), end=_redis(Mode.PASS), silent=True
    ),
    "trickling": Fault(
        "it replies byte by byte, each taking half of a command's time limit",
        _redis(Mode.TRICKLE),
        end=_redis(Mode.PASS),
        silent=True,
    ),
    "without disk": Fault(
        "its snapshot failed, so it accepts no writes but serves reads", _lose_disk, end=_find_disk, silent=True
    ),
    "full": Fault("`maxmemory` is reached, `noeviction`", _fill_redis, end=_empty_redis, silent=True),
    "read-only replica": Fault(
        "it was turned into a replica and its connections were closed", _demote_redis, end=_promote_redis, silent=True
    ),
    "wrong password": Fault(
        "it has a different one; its connections were closed", _lock_redis, end=_unlock_redis, silent=True
    ),
    "restarting": Fault(
        "SIGKILL, then started again, empty, a quarter of the budget later",
        Stage.kill_valkey,
        _restart_redis,
        _restart_redis,
        silent=True,
    ),
    "partitioned": Fault(
        "cut off from the server under test, but not from the other",
        _redis(Mode.HANG, 0),
        end=_redis(Mode.PASS),
        silent=True,
    ),
}
POSTGRES = {
    "healthy": Fault("it answers"),
    "down": Fault("nobody listens; sessions are reset", _postgres(Mode.REFUSE), end=_postgres(Mode.PASS)),
    "slow": Fault("each round trip takes a quarter of the budget", _postgres(Mode.SLOW), end=_postgres(Mode.PASS)),
    "hanging": Fault("it accepts connections and does not reply", _postgres(Mode.HANG), end=_postgres(Mode.PASS)),
    "read-only": Fault(
        "`default_transaction_read_only`, as on a standby; sessions ended",
        _role("SET default_transaction_read_only = on"),
        end=_role("RESET default_transaction_read_only"),
    ),
    "failing over": Fault(
        "sessions end, and new ones at once, for a quarter of the budget",
        _postgres(Mode.END),
        _postgres(Mode.PASS),
        _postgres(Mode.PASS),
    ),
    "out of connections": Fault(
        "the role's `CONNECTION LIMIT` is 0; sessions ended",
        _role("CONNECTION LIMIT 0"),
        end=_role("CONNECTION LIMIT -1"),
    ),
}
