"""How much memory a server has after it has seen so many people."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.load.wire import Reads
from tests.benchmarks.rows import HOT
from tests.benchmarks.session import Session

SEEN = (0, 1_000, 10_000, 50_000, 100_000)


def measure_memory(session: Session) -> list[dict[str, Any]]:
    """For so many tokens, each of another user and seen once: the resident bytes of the server's processes."""
    server = session.stage.start_server(CONTENDERS["lane"])
    session.stage.wait_for(server)
    everybody = session.stage.crowd(SEEN[-1], HOT)
    found = []
    for before, seen in zip((0, *SEEN), SEEN, strict=False):
        session.say(f"memory after {seen:,} tokens")
        if seen:
            server.warm(Reads(everybody.tokens[before:seen], everybody.codes))
        found.append({"tokens": seen, "bytes": server.resident_bytes()})
    session.stage.stop_server(server)
    return found
