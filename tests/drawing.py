"""A drawing as SVG: what its parts are, in light and in dark."""

from collections.abc import Sequence
from html import escape

STYLE = """
  svg { font: 13px system-ui, sans-serif; background: #fff; color: #1f2933 }
  text { fill: currentColor } .dim { fill: #52606d } .grid { stroke: #d9e2ec }
"""
DARK = "svg { background: #111827; color: #e5e7eb } .dim { fill: #9ca3af } .grid { stroke: #374151 }"


def compose(size: tuple[int, int], title: str, described: str, parts: Sequence[str], *, style: str, dark: str) -> str:
    """
    The whole.

    Args:
        described: in words, for whoever can't see it.
        style: of classes besides `dim` and `grid`; `dark` is what is other in the dark.
    """
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(title)}</title>',
        f'<desc id="d">{escape(described)}</desc>',
        f"<style>{STYLE}{style}  @media (prefers-color-scheme: dark) {{ {DARK} {dark} }}\n</style>",
    ]
    return "\n".join([*lines, *parts, "</svg>", ""])


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
