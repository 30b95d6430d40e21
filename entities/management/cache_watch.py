"""The live table of `cache_status --watch`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.db import Error, router
from redis.exceptions import RedisError
from rich.console import Console, ConsoleDimensions, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cache_layer.analytics import EntryActivity, read_activity
from cache_layer.options import entry_ttl_seconds
from cache_layer.outbox import Backlog, measure_backlog
from entities.cache_report import ServerStatus, read_server_status
from entities.cache_states import CacheState, Kind, read_cache_states
from entities.lookups import ENTITY
from entities.management.figures import describe_duration, describe_memory, percent_of
from entities.models import Entity
from entities.recent import Recent, read_recent

SOURCES = {"L1": "green", "L2": "cyan", "DB": "yellow", "BYPASS": "red", "STALE": "magenta"}
STYLES = {Kind.CACHED: "green", Kind.BEING_WRITTEN: "magenta", Kind.BEING_FILLED: "cyan", Kind.UNKNOWN: "red"}
AROUND_ENTRIES = 12
"""Lines that are not entries: the headline's and the server's panel, the table's frame, head and last line."""
FEWEST_ENTRIES = 1
WIDE = 80
"""Columns from which on there is room for everything."""


@dataclass(frozen=True)
class Picture:
    """What one look at the engines found."""

    codes: list[str]
    entity_types: int
    states: dict[str, CacheState]
    activity: dict[str, EntryActivity]
    recent: Recent
    backlog: Backlog
    server: ServerStatus


def watch_cache(console: Console, interval_seconds: float, wait: Callable[[float], object]) -> None:
    """
    Show the cache as it is, again and again, until Ctrl-C; engines that are away are named and asked again.

    Args:
        wait: sleeps for so many seconds.
    """
    shown: RenderableType = Text("Looking ...")
    logging.disable(logging.ERROR)  # lines of the log would tear the picture, which says the same
    try:
        with Live(shown, console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(show_now(console.size), refresh=True)
                wait(interval_seconds)
    except KeyboardInterrupt:
        return
    finally:
        logging.disable(logging.NOTSET)


def show_now(size: ConsoleDimensions) -> RenderableType:
    """The picture of this moment, with as many entries as fit."""
    try:
        return draw(take_picture(max(FEWEST_ENTRIES, size.height - AROUND_ENTRIES)), wide=size.width >= WIDE)
    except RedisError as error:
        return _away("Redis does not answer", "Readers get entity types from the database.", error)
    except Error as error:
        return _away("PostgreSQL does not answer", "What is cached is still read.", error)


def take_picture(limit: int) -> Picture:
    """
    Look at the first entity types in display order, and at all that is counted.

    Raises:
        CacheUnavailable: Redis did not answer.
        django.db.Error: PostgreSQL did not.
    """
    server = read_server_status()
    codes = list(Entity.objects.values_list("code", flat=True)[:limit])
    return Picture(
        codes,
        Entity.objects.count(),
        read_cache_states(codes),
        read_activity([ENTITY.key(code) for code in codes]),
        read_recent(),
        measure_backlog(using=router.db_for_write(Entity)),
        server,
    )


def draw(picture: Picture, *, wide: bool) -> RenderableType:
    """The picture as a table between two panels; without the bars and sizes where there is no room for them."""
    return Group(_headline(picture), _entries_table(picture, wide=wide), _server_panel(picture))


def _headline(picture: Picture) -> Panel:
    rates = picture.recent.rates
    line = Text(no_wrap=True, overflow="ellipsis")
    for source, style in SOURCES.items():
        line.append(f"{source} {f'{rates[source]:,.1f}/s' if rates else '-'}   ", style=style)
    line.append(f"hit ratio {percent_of(picture.recent.hit_ratio)} {picture.recent.words}", style="bold")
    return Panel(line, title="Entity types in the cache", subtitle="Ctrl-C ends", height=3)


def _entries_table(picture: Picture, *, wide: bool) -> Table:
    hidden = picture.entity_types - len(picture.codes)
    table = Table(expand=True, caption=f"... and {hidden} more entity types" if hidden else None)
    table.add_column("Code", ratio=3, no_wrap=True)
    table.add_column("State", width=13, no_wrap=True)
    if wide:
        table.add_column("TTL", ratio=2, no_wrap=True)
    table.add_column("s", justify="right", width=5)
    if wide:
        table.add_column("Bytes", justify="right", width=7)
    table.add_column("Hits today", justify="right", width=10)
    for code in picture.codes:
        state, activity = picture.states[code], picture.activity.get(ENTITY.key(code))
        seconds = "" if state.ttl_seconds is None else str(state.ttl_seconds)
        size = "" if state.payload_bytes is None else f"{state.payload_bytes:,}"
        hits = f"{activity.hits_today:,}" if activity else "0"
        what = code, Text(state.kind, STYLES.get(state.kind, "dim"))
        table.add_row(*what, *((_ttl_bar(state), seconds, size, hits) if wide else (seconds, hits)))
    return table


def _ttl_bar(state: CacheState) -> RenderableType:
    if state.ttl_seconds is None:
        return ""
    style = "green" if state.ttl_seconds * 5 > entry_ttl_seconds() else "yellow"
    return ProgressBar(entry_ttl_seconds(), state.ttl_seconds, complete_style=style, finished_style=style)


def _server_panel(picture: Picture) -> Panel:
    server, backlog = picture.server, picture.backlog
    held = sum(state.kind is Kind.BEING_WRITTEN for state in picture.states.values())
    waiting = f", the oldest for {backlog.oldest_seconds:.1f} s" if backlog.changes else ""
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{server.name} {server.version}, up {describe_duration(server.uptime_seconds)}")
    line.append(f"   {describe_memory(server)}   {server.connected_clients} clients")
    line.append(f"   {server.evicted_keys} evicted", style="red" if server.evicted_keys else "")
    line.append(f"\nChanges to be told to it: {backlog.changes}{waiting}", style="yellow" if backlog.changes else "")
    line.append(f"   Entries being written: {held}", style="magenta" if held else "")
    return Panel(line, title="Redis answers", border_style="green", height=4)


def _away(title: str, meaning: str, error: Exception) -> Panel:
    reason = str(error).strip().partition("\n")[0]
    return Panel(Text(f"{meaning} Trying again.\n{reason}"), title=title, border_style="red", height=4)
