"""A drawing of hits over HTTP: a bar for each contender, and a line from its slowest to its fastest round."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from html import escape

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.measures.crowd import cell
from tests.benchmarks.rows import HOT

Found = Mapping[str, Mapping[str, Sequence[float]]]
"""For each contender `per_second`, one figure for each round, and more."""
PEOPLE = 200
WIDTH, LEFT, RIGHT, TOP, GROUP, ROW, BAR = 860, 290, 150, 64, 44, 34, 18
STEPS = (1, 2, 5)
STYLE = """
  svg { font: 13px system-ui, sans-serif; background: #fff; color: #1f2933 }
  text { fill: currentColor } .dim { fill: #52606d } .grid { stroke: #d9e2ec }
  .group { font-weight: 600 }
  .theirs { fill: #9fb3c8 } .ours { fill: #2563eb } .constant { fill: #d9e2ec } .spread { stroke: #1f2933 }
  @media (prefers-color-scheme: dark) {
    svg { background: #111827; color: #e5e7eb } .dim { fill: #9ca3af } .grid { stroke: #374151 }
    .theirs { fill: #64748b } .ours { fill: #60a5fa } .constant { fill: #374151 } .spread { stroke: #e5e7eb }
  }
"""
OURS = ("django", "lane")


def draw_hits(crowds: Mapping[str, Found], one_reader: Found) -> str:
    """
    An SVG: a crowd first, then one reader, on one scale.

    Args:
        crowds: figures as `measure_crowd` returns them.
        one_reader: as `measure_throughput` does.
    """
    groups = {
        f"{PEOPLE} people, {HOT} entity types": crowds[cell(PEOPLE, HOT)],
        f"one reader, {HOT} entity types": one_reader,
    }
    limit = max(max(columns["per_second"]) for found in groups.values() for columns in found.values())
    bottom = TOP + sum(GROUP + ROW * len(found) for found in groups.values())
    described = "; ".join(f"{title}: {_describe(found)}" for title, found in groups.items())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 34}" role="img"'
        ' aria-labelledby="t d">',
        '<title id="t">Hits over HTTP</title>',
        f'<desc id="d">{escape(described)}</desc>',
        f"<style>{STYLE}</style>",
        _text(24, 26, "Hits over HTTP: answers a second", "start"),
        _text(24, 46, "one worker on one core; the line is from the slowest to the fastest round", "start", "dim"),
    ]
    for tick in _ticks(limit):
        x = _x(tick, limit)
        parts += [_line(x, TOP - 4, x, bottom, "grid"), _text(x, bottom + 18, f"{tick:,}", "middle", "dim")]
    y = TOP
    for title, found in groups.items():
        parts.append(_text(24, y + GROUP - 10, title, "start", "group"))
        y += GROUP
        for name in _names(found):
            parts += _bar(y, name, found, limit)
            y += ROW
    return "\n".join([*parts, "</svg>", ""])


def _names(found: Found) -> list[str]:
    return [name for name in CONTENDERS if name in found]


def _bar(y: float, name: str, found: Found, limit: float) -> list[str]:
    values = found[name]["per_second"]
    middle = statistics.median(values)
    classic = statistics.median(found["classic"]["per_second"]) if "classic" in found else None
    kind = "ours" if name in OURS else "constant" if name == "constant" else "theirs"
    compared = f" ({middle / classic:.1f}x)" if classic and name != "classic" else ""
    centre = y + ROW / 2
    return [
        _text(LEFT - 10, centre + 4, CONTENDERS[name].title, "end"),
        f'<rect class="{kind}" x="{LEFT}" y="{centre - BAR / 2:.1f}" width="{_x(middle, limit) - LEFT:.1f}"'
        f' height="{BAR}" rx="2"/>',
        _line(_x(min(values), limit), centre, _x(max(values), limit), centre, "spread"),
        _text(_x(max(values), limit) + 8, centre + 4, f"{middle:,.0f}{compared}", "start"),
    ]


def _describe(found: Found) -> str:
    speeds = {name: statistics.median(found[name]["per_second"]) for name in _names(found)}
    return ", ".join(f"{CONTENDERS[name].title} {speed:,.0f}" for name, speed in speeds.items())


def _ticks(limit: float) -> list[int]:
    power = 1
    while True:
        for step in STEPS:
            if limit / (step * power) <= 6:
                return list(range(0, int(limit) + 1, step * power))
        power *= 10


def _x(value: float, limit: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value / limit


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
