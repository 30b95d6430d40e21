"""The protocol does not care what time it is: servers' wall clocks may be hours apart."""

from __future__ import annotations

import re

from tests.servers import ROOT

WALL_CLOCK = re.compile(
    r"\btime\.time\(|\btime\.time_ns\(|\bdatetime\b|\btimezone\b|from time import (?!monotonic|sleep)"
)
COUNTING = {"activity.py", "counting", "inspect", "plain_metrics.py", "fields.py"}
"""Rooms, and a module: what was counted in which minute is told by the wall clock; nothing served depends on it."""


def test_no_wall_clock_enters_the_protocol() -> None:
    """Leases are counted on each process's monotonic clock, holds and TTLs on Redis' own; `--skew` of the torture."""
    modules = [each for each in (ROOT / "cache_layer").rglob("*.py") if each.parent.name != "migrations"]
    assert len(modules) > 30
    found = [module for module in modules if WALL_CLOCK.search(module.read_text())]
    assert not [each for each in found if not COUNTING & {each.name, each.parent.name}]
    scripts = "".join(script.read_text() for script in (ROOT / "cache_layer" / "lua").glob("*.lua"))
    assert set(re.findall(r'redis\.call\("(\w*TIME\w*)"', scripts)) == {"TIME"}
