"""The run-id guard: nobody trusts what another run of a server left before a restart or a failover."""

import functools
import logging
from pathlib import Path
from typing import Any

from cache_layer.keys import purged_patterns, run_id_key
from cache_layer.metrics import INVALIDATIONS, RECONNECTS
from cache_layer.options import get_options

logger = logging.getLogger("cache_layer")


@functools.cache
def lua_source(name: str) -> str:
    """The text of `lua/{name}.lua`, run byte for byte as written."""
    return (Path(__file__).parent.parent / "lua" / f"{name}.lua").read_text()


def on_connect(connection: Any) -> None:
    """Purge what another run of the server left; redis-py calls this for each new connection."""
    connection.on_connect()
    patterns = purged_patterns()
    arguments = (1, run_id_key(patterns), get_options().schema_version, *patterns)
    connection.send_command("EVAL", lua_source("guard"), *arguments, check_health=False)
    purged = connection.read_response()
    if purged >= 0:
        note_new_run(purged)
    else:
        logger.info("Redis connected", extra={"new_server_run": False})


def note_new_run(purged: int) -> None:
    """Count and log that another run of a server was found, and how many of our keys were purged."""
    RECONNECTS.inc()
    INVALIDATIONS.labels("restart").inc(purged)
    logger.warning("Redis connected", extra={"new_server_run": True, "purged_keys": purged})
