"""A drawing of hits over HTTP: a bar for each contender, and a line from its slowest to its fastest round."""

from collections.abc import Mapping, Sequence
from html import escape

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.measures.crowd import cell
from tests.benchmarks.rows import HOT
from tests.figures import median

Found = Mapping[str, Mapping[str, Sequence[float]]]
"""For each contender `per_second`, one figure for each round, and more."""
PEOPLE = 200
WIDTH, LEFT, RIGHT, TOP, GROUP, ROW, BAR = 860, 290, 150, 64, 44, 34, 18
STYLE = """
  svg { font: 13px system-ui, sans-serif; background: #fff; color: #1f2933 }
  text { fill: currentColor } .dim { fill: #52606d } .grid { stroke: #d9e2ec } .group { font-weight: 600 }
  .theirs { fill: #9fb3c8 } .ours { fill: #2563eb } .constant { fill: #d9e2ec } .spread { stroke: #1f2933 }
  @media (prefers-color-scheme: dark) {
    svg { background: #111827; color: #e5e7eb } .dim { fill: #9ca3af } .grid { stroke: #374151 }
    .theirs { fill: #64748b } .ours { fill: #60a5fa } .constant { fill: #374151 } .spread { stroke: #e5e7eb }
  }
"""
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
    box = f'viewBox="0 0 {WIDTH} {bottom + 34}"'
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-labelledby="t d">',
        '<title id="t">Hits over HTTP</title>',
        f'<desc id="d">{escape(described)}</desc>',
        f"<style>{STYLE}</style>",
    ]
    return "\n".join([*head, *parts, "</svg>", ""])


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


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(x: float, y: float, said: str, anchor: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def axis_step(longest: float, ticks: int) -> int:
    """The least 1, 2 or 5 times a power of ten of which so many are enough."""
    power = 1
    while True:
        for step in (1, 2, 5):
            if longest <= ticks * step * power:
                return step * power
        power *= 10
