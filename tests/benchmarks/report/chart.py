"""A drawing of hits over HTTP: a bar for each contender, and a line from its slowest to its fastest round."""

from collections.abc import Mapping, Sequence

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.measures.crowd import cell
from tests.benchmarks.rows import HOT
from tests.drawing import axis_step, compose, line, text
from tests.figures import median

Found = Mapping[str, Mapping[str, Sequence[float]]]
"""For each contender `per_second`, one figure for each round, and more."""
PEOPLE = 200
WIDTH, LEFT, RIGHT, TOP, GROUP, ROW, BAR = 860, 290, 150, 64, 44, 34, 18
STYLE = """  .group { font-weight: 600 }
  .theirs { fill: #9fb3c8 } .ours { fill: #2563eb } .constant { fill: #d9e2ec } .spread { stroke: #1f2933 }
"""
DARK = ".theirs { fill: #64748b } .ours { fill: #60a5fa } .constant { fill: #374151 } .spread { stroke: #e5e7eb }"
KINDS = {"django": "ours", "lane": "ours", "constant": "constant"}


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
    parts = [
        text(24, 26, "Hits over HTTP: responses per second", "start"),
        text(24, 46, "one worker on one core; the line is from the slowest to the fastest round", "start", "dim"),
    ]
    for tick in range(0, int(limit) + 1, axis_step(limit, 6)):
        x = _x(tick, limit)
        parts += [line(x, TOP - 4, x, bottom, "grid"), text(x, bottom + 18, f"{tick:,}", "middle", "dim")]
    y = TOP
    for title, found in groups.items():
        parts.append(text(24, y + GROUP - 10, title, "start", "group"))
        y += GROUP
        for name in _names(found):
            parts += _bar(y, name, found, limit)
            y += ROW
    described = "; ".join(f"{title}: {_describe(found)}" for title, found in groups.items())
    return compose((WIDTH, bottom + 34), "Hits over HTTP", described, parts, style=STYLE, dark=DARK)


def _names(found: Found) -> list[str]:
    return [name for name in CONTENDERS if name in found]


def _bar(y: float, name: str, found: Found, limit: float) -> list[str]:
    values = found[name]["per_second"]
    middle = median(values)
    compared = f" ({middle / median(found['classic']['per_second']):.1f}x)" if name != "classic" else ""
    centre, top, width = y + ROW / 2, y + (ROW - BAR) / 2, _x(middle, limit) - LEFT
    kind = KINDS.get(name, "theirs")
    return [
        text(LEFT - 10, centre + 4, CONTENDERS[name].title, "end"),
        f'<rect class="{kind}" x="{LEFT}" y="{top:.1f}" width="{width:.1f}" height="{BAR}" rx="2"/>',
        line(_x(min(values), limit), centre, _x(max(values), limit), centre, "spread"),
        text(_x(max(values), limit) + 8, centre + 4, f"{middle:,.0f}{compared}", "start"),
    ]


def _describe(found: Found) -> str:
    return ", ".join(f"{CONTENDERS[name].title} {median(found[name]['per_second']):,.0f}" for name in _names(found))


def _x(value: float, limit: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value / limit
