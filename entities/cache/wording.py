"""Figures in words, with no more digits than are known."""

from datetime import UTC, datetime
from math import floor, inf, log10
from typing import Any

from django.template.defaultfilters import filesizeformat

from cache_layer.inspect import Health, ServerStatus

UNKNOWN = "-"


def percent(ratio: float | None) -> str:
    """`99.9 %`: never rounded up, so that `100.0 %` means all."""
    return UNKNOWN if ratio is None else f"{floor(ratio * 1000 + 1e-9) / 10:.1f} %"


def whole_percent(ratio: float) -> str:
    return f"{round(100 * ratio)} %"


def count(number: int) -> str:
    return f"{number:,}"


def at_least(number: int, *, complete: bool) -> str:
    return count(number) if complete else f"at least {count(number)}"


def about(number: float) -> str:
    """Two significant digits: `1,200`, `0.35`."""
    if number <= 0:
        return "0"
    digits = 1 - floor(log10(number))
    return f"{round(number, digits):,.{max(0, digits)}f}"


def rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 10 else f"{per_second:.1f}"


def time_taken(seconds: float | None) -> str:
    """Two significant digits: `0.032 ms`, `2.4 ms`, `1.2 s`; beyond the histogram `over 5 s`."""
    if seconds is None:
        return UNKNOWN
    if seconds == inf:
        return "over 5 s"
    return f"{about(seconds * 1000)} ms" if seconds < 1 else f"{about(seconds)} s"


def duration(seconds: float) -> str:
    """`12 s`, `3 min`, `2 h 5 min`, `4 d 3 h`."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86_400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"


def size(number: int) -> str:
    return filesizeformat(number).replace("\xa0", " ")


def memory(server: ServerStatus) -> str:
    """The memory the server uses, and its limit."""
    limit = f"of {size(server.max_memory_bytes)}" if server.max_memory_bytes else "no limit set"
    return f"{size(server.used_memory_bytes)}, {limit}"


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %b %H:%M")


def clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def health(found: Health) -> dict[str, Any]:
    """The headline, what to do, and what else is or was wrong."""
    return {
        "level": found.level,
        "headline": found.headline,
        "advice": found.problems[0].advice if found.problems else "Both engines answer, and no change waits.",
        "others": [f"{problem.text} {problem.advice}" for problem in found.problems[1:]],
        "incidents": [incident.words for incident in found.incidents],
    }
