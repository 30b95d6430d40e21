"""
Resident memory of all processes of a server with one worker, after one read with each token, each of a different user.
"""

from typing import Any

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.load.wire import Reads
from tests.benchmarks.rows import HOT
from tests.benchmarks.session import Session
from tests.benchmarks.tables import Results, Tabled

SUMMARY = "of a server that has seen up to 100,000 people"
HEADING = "Memory"

SEEN = (0, 1_000, 10_000, 50_000, 100_000)


def measure(session: Session) -> list[dict[str, Any]]:
    """For so many tokens, each of another user and seen once: the resident bytes of the server's processes."""
    server = session.start_contender(CONTENDERS["lane"])
    everybody = session.crowd(SEEN[-1], HOT)
    found = []
    for before, seen in zip((0, *SEEN), SEEN, strict=False):
        session.say(f"memory after {seen:,} tokens")
        if seen:
            server.warm(Reads(everybody.tokens[before:seen], everybody.codes))
        found.append({"tokens": seen, "bytes": server.resident_bytes()})
    session.stop_server(server)
    return found


def table(found: list[Results], _: Results) -> Tabled:
    rows = [(f"{each['tokens']:,}", f"{each['bytes'] / 2**20:,.0f}") for each in found]
    return Tabled("Memory of a server and its worker", ("people seen", "MiB"), rows)
