"""Figures of the cache in words, for commands."""

from __future__ import annotations

import time

from django.template.defaultfilters import filesizeformat

from cache_layer.analytics import Series
from entities.cache_report import ServerStatus


def describe_memory(server: ServerStatus) -> str:
    """What the server uses, and what it may use."""
    used = filesizeformat(server.used_memory_bytes)
    limit = f"of {filesizeformat(server.max_memory_bytes)}" if server.max_memory_bytes else "without a limit"
    return f"{used}, {limit}".replace("\xa0", " ")


def describe_duration(seconds: int) -> str:
    """In the two largest units."""
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    return (
        f"{days} d {hours} h" if days else f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
    )


def last_minute_rates(series: Series) -> tuple[dict[str, float], float | None]:
    """
    Reads a second by source, and the hit ratio, of the last full minute and what there is of the present one.

    Processes report once a minute: the present one alone would mostly be empty.
    """
    recent = Series(series.step_seconds, series.starts_s[-2:], series.counts[-2:])
    seconds = max(1.0, time.time() - recent.starts_s[0])
    return {source: number / seconds for source, number in recent.totals("reads").items()}, recent.hit_ratio()
