"""A drawing of how late changes made behind Django's back were seen."""

from collections.abc import Sequence

from tests.drawing import axis_step, compose, line, text
from tests.figures import quantile

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 56, 52
MARKED = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
STYLE = """  .axis { stroke: #829ab1 } .mark { stroke: #b45309; stroke-dasharray: 4 3 }
  .curve { fill: none; stroke: #2563eb; stroke-width: 2.5 } .name { fill: #b45309; font-weight: 600 }
"""
DARK = ".curve { stroke: #60a5fa } .mark { stroke: #f59e0b } .name { fill: #f59e0b }"


def draw_lags(lags_ms: Sequence[float]) -> str:
    """
    An SVG of the cumulative distribution: which share of the changes no reader missed any more after so many ms.

    Args:
        lags_ms: one for each change; at least one.
    """
    lags = sorted(lags_ms)
    step = axis_step(lags[-1], 6)
    limit = max(step, -int(-lags[-1] // step) * step)
    parts = [
        text(LEFT, 24, "Raw SQL: share of changes that every server shows", "start"),
        text(LEFT, 42, f"{len(lags):,} changes under load, relay alive", "start", "dim"),
    ]
    for percent in (0, 25, 50, 75, 100):
        y = _y(percent / 100)
        parts += [line(LEFT, y, WIDTH - RIGHT, y, "grid"), text(LEFT - 8, y + 4, f"{percent} %", "end", "dim")]
    for milliseconds in range(0, limit + 1, step):
        x = _x(milliseconds, limit)
        parts += [line(x, _y(0), x, _y(0) + 5, "axis"), text(x, _y(0) + 20, f"{milliseconds}", "middle", "dim")]
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "ms after the commit returned", "middle", "dim"))
    parts.append(f'<path class="curve" d="{_curve(lags, limit)}"/>')
    marked = {name: quantile(lags, share) for name, share in MARKED.items()}
    for row, (name, lag) in enumerate(marked.items()):
        x = _x(lag, limit)
        parts.append(line(x, _y(0), x, _y(1), "mark"))
        parts.append(text(x + 5, _y(0) - 12 - 18 * (2 - row), f"{name} {lag:.0f} ms", "start", "name"))
    figures = ", ".join(f"{name} {lag:.1f} ms" for name, lag in marked.items())
    described = f"{len(lags)} changes: {figures}, at most {lags[-1]:.1f} ms."
    title = "How late changes behind Django's back were seen"
    return compose((WIDTH, HEIGHT), title, described, parts, style=STYLE, dark=DARK)


def _curve(lags: Sequence[float], limit: int) -> str:
    points = [f"M{_x(0, limit):.1f} {_y(0):.1f}"]
    for number, lag in enumerate(lags, 1):
        points += [f"H{_x(lag, limit):.1f}", f"V{_y(number / len(lags)):.1f}"]
    return " ".join([*points, f"H{_x(limit, limit):.1f}"])


def _x(milliseconds: float, limit: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * milliseconds / limit


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
