"""A drawing of how late changes made behind Django's back were seen."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.torture.run import quantile

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 56, 52
TICKS_MS = (5, 10, 20, 25, 50, 100, 200, 250, 500, 1_000, 2_000, 5_000, 10_000)
MARKED = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
STYLE = """
  svg { font: 13px system-ui, sans-serif; background: #fff; color: #1f2933 }
  text { fill: currentColor } .dim { fill: #52606d } .grid { stroke: #d9e2ec } .axis { stroke: #829ab1 }
  .curve { fill: none; stroke: #2563eb; stroke-width: 2.5 } .mark { stroke: #b45309; stroke-dasharray: 4 3 }
  .name { fill: #b45309; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    svg { background: #111827; color: #e5e7eb } .dim { fill: #9ca3af } .grid { stroke: #374151 }
    .curve { stroke: #60a5fa } .mark { stroke: #f59e0b } .name { fill: #f59e0b }
  }
"""


def draw_lags(lags_ms: Sequence[float]) -> str:
    """
    An SVG of the cumulative distribution: which share of the changes no reader missed any more after so many ms.

    Args:
        lags_ms: one for each change; at least one.
    """
    lags = sorted(lags_ms)
    limit = _axis_end(lags[-1])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d">',
        '<title id="t">How late changes behind Django\'s back were seen</title>',
        f'<desc id="d">{_describe(lags)}</desc>',
        f"<style>{STYLE}</style>",
        _text(LEFT, 24, "Raw SQL: share of changes that every server shows", "start"),
        _text(LEFT, 42, f"{len(lags):,} changes by psql and a driver, under load, relay alive", "start", "dim"),
    ]
    for percent in (0, 25, 50, 75, 100):
        y = _y(percent / 100)
        parts += [_line(LEFT, y, WIDTH - RIGHT, y, "grid"), _text(LEFT - 8, y + 4, f"{percent} %", "end", "dim")]
    step = next(tick for tick in TICKS_MS if limit / tick <= 8)
    for milliseconds in range(0, limit + 1, step):
        x = _x(milliseconds, limit)
        parts += [_line(x, _y(0), x, _y(0) + 5, "axis"), _text(x, _y(0) + 20, f"{milliseconds}", "middle", "dim")]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "ms after the commit returned", "middle", "dim"))
    parts.append(f'<path class="curve" d="{_curve(lags, limit)}"/>')
    for row, (name, share) in enumerate(MARKED.items()):
        lag = quantile(lags, share)
        x = _x(lag, limit)
        parts += [
            _line(x, _y(0), x, _y(1), "mark"),
            _text(x + 5, _y(0) - 12 - 18 * (2 - row), f"{name} {lag:.0f} ms", "start", "name"),
        ]
    return "\n".join([*parts, "</svg>", ""])


def _describe(lags: Sequence[float]) -> str:
    figures = [f"{name} {quantile(lags, share):.1f} ms" for name, share in MARKED.items()]
    return f"{len(lags)} changes: {', '.join(figures)}, at most {lags[-1]:.1f} ms."


def _axis_end(longest: float) -> int:
    step = next((tick for tick in TICKS_MS if longest / tick <= 6), TICKS_MS[-1])
    return max(1, math.ceil(longest / step)) * step


def _curve(lags: Sequence[float], limit: int) -> str:
    points = [f"M{_x(0, limit):.1f} {_y(0):.1f}"]
    for number, lag in enumerate(lags, 1):
        if number == len(lags) or lags[number] != lag:
            points += [f"H{_x(lag, limit):.1f}", f"V{_y(number / len(lags)):.1f}"]
    return " ".join([*points, f"H{_x(limit, limit):.1f}"])


def _x(milliseconds: float, limit: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * milliseconds / limit


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
