"""What can be wrong with Redis and with PostgreSQL: how it is brought about, and how it ends."""

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


def _by_proxies(says: str, mode: Mode, *servers: int, silent: bool = False) -> Fault:
    """What the proxies before Redis do, or those of some servers."""
    return Fault(says, _redis(mode, *servers), end=_redis(Mode.PASS), silent=silent)


def _by_proxy(says: str, mode: Mode) -> Fault:
    """What the proxy before PostgreSQL does."""
    return Fault(says, _postgres(mode), end=_postgres(Mode.PASS))


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
    "slow": _by_proxies("each way takes a quarter of a command's time limit", Mode.SLOW),
    "refusing": _by_proxies("nobody listens; connections are reset", Mode.REFUSE),
    "hanging": _by_proxies("it accepts connections and does not reply", Mode.HANG, silent=True),
    "trickling": _by_proxies(
        "it replies byte by byte, each taking half of a command's time limit", Mode.TRICKLE, silent=True
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
    "partitioned": _by_proxies("cut off from the server under test, but not from the other", Mode.HANG, 0, silent=True),
}
POSTGRES = {
    "healthy": Fault("it answers"),
    "down": _by_proxy("nobody listens; sessions are reset", Mode.REFUSE),
    "slow": _by_proxy("each round trip takes a quarter of the budget", Mode.SLOW),
    "hanging": _by_proxy("it accepts connections and does not reply", Mode.HANG),
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
