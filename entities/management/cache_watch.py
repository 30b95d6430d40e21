"""The live table of `cache_status --watch`."""

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from django.db import Error
from redis.exceptions import RedisError
from rich import box
from rich.console import Console, ConsoleDimensions, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cache_layer.inspect import EntryState, Kind
from entities.cache import wording
from entities.lookups import ENTITY
from entities.management.keyboard import single_keys, wait_for_key
from entities.management.picture import Picture, take_picture

SOURCES = {"L1": "green", "L2": "cyan", "DB": "yellow", "BYPASS": "red", "STALE": "magenta"}
STYLES = {Kind.CACHED: "green", Kind.BEING_WRITTEN: "magenta", Kind.BEING_FILLED: "cyan", Kind.UNKNOWN: "red"}
HEALTH_STYLES = {"ok": "bold green", "warning": "bold yellow", "error": "bold red"}
AROUND_ENTRIES = 7
"""Lines other than entries: health, rates, the table's head and rule, two for the server, the keys."""
MIN_ENTRIES = 1
WIDE = 80
"""Columns needed to show everything."""


ORDERS: dict[str, Callable[[Picture, str], int | str]] = {
    "display order": lambda *_: 0,
    "code": lambda _, code: code,
    "state": lambda picture, code: picture.states[code].kind,
    "time left": lambda picture, code: picture.states[code].ttl_seconds or -1,
    "size": lambda picture, code: -(picture.states[code].payload_bytes or 0),
    "hits today": lambda picture, code: -picture.activity[code].hits_today,
}
"""What entries can be sorted by; those that are equal stay in display order."""
SORTS = tuple(ORDERS)
UP, DOWN, PAGE_DOWN = (0, -1), (0, 1), (1, 0)
MOVES = {
    **dict.fromkeys((b"\x1b[A", b"\x1bOA", b"k"), UP),
    **dict.fromkeys((b"\x1b[B", b"\x1bOB", b"j"), DOWN),
    **dict.fromkeys((b"\x1b[6~", b" "), PAGE_DOWN),
    b"\x1b[5~": (-1, 0),
    b"\x1b[H": (0, -sys.maxsize),
    b"\x1b[F": (0, sys.maxsize),
}
"""By how many pages and lines the keys move, as terminals send them; the last two are Home and End."""


@dataclass
class View:
    """Which part of the entries is shown, and in which order; keys change it."""

    sort: int = 0
    is_reversed: bool = False
    first: int = 0
    shown: int = MIN_ENTRIES

    def press(self, key: bytes) -> bool:
        """Handle a key; returns whether to go on. Where the entries end, drawing says."""
        if key == b"s":
            self.sort, self.first = (self.sort + 1) % len(SORTS), 0
        elif key == b"r":
            self.is_reversed, self.first = not self.is_reversed, 0
        pages, lines = MOVES.get(key, (0, 0))
        self.first += pages * self.shown + lines
        return key != b"q"


def watch_cache(console: Console, interval_seconds: float) -> None:
    """Show the cache live until Ctrl-C or q; engines that are down are named and retried."""
    logging.disable(logging.ERROR)  # log lines would tear the display, which says the same
    view, due = View(), 0.0
    found: Picture | Panel
    try:
        with single_keys(), Live(Text("Looking ..."), console=console, screen=True, auto_refresh=False) as live:
            goes_on = True
            while goes_on:
                if time.monotonic() >= due:
                    due, found = time.monotonic() + interval_seconds, look()
                view.shown = max(MIN_ENTRIES, console.size.height - AROUND_ENTRIES)
                live.update(draw(found, view, console.size) if isinstance(found, Picture) else found, refresh=True)
                goes_on = view.press(wait_for_key(due - time.monotonic()))
    except KeyboardInterrupt:
        return
    finally:
        logging.disable(logging.NOTSET)


def look() -> Picture | Panel:
    """What to show now."""
    try:
        return take_picture()
    except RedisError as error:
        return _away("Redis does not answer", "Readers get entity types from the database.", error)
    except Error as error:
        return _away("PostgreSQL does not answer", "What is cached is still read.", error)


def draw(picture: Picture, view: View, size: ConsoleDimensions) -> RenderableType:
    """Draw the picture without a frame, since lines are scarce; omit bars and sizes if there is no room."""
    codes = sorted(picture.states, key=partial(ORDERS[SORTS[view.sort]], picture))
    if view.is_reversed:
        codes.reverse()
    view.first = max(0, min(view.first, len(codes) - view.shown))
    shown = codes[view.first : view.first + view.shown]
    return Group(
        _line((picture.health.headline, HEALTH_STYLES[picture.health.level])),
        _rates_line(picture),
        _entries_table(picture, shown, wide=size.width >= WIDE),
        _server_lines(picture),
        _keys_line(view, len(codes), len(shown)),
    )


def _line(*parts: str | tuple[str, str], style: str = "") -> Text:
    """Texts, some with a style, cut off where the terminal ends."""
    return Text.assemble(*parts, style=style, no_wrap=True, overflow="ellipsis")


def _rates_line(picture: Picture) -> Text:
    rates = picture.recent.rates
    return _line(
        (f"Hit ratio {wording.percent(picture.recent.hit_ratio())}", "bold"),
        f" {picture.recent.words}  ",
        *((f" {source} {f'{rates[source]:,.1f}/s' if rates else '-'}", style) for source, style in SOURCES.items()),
    )


def _entries_table(picture: Picture, codes: list[str], *, wide: bool) -> Table:
    table = Table(expand=True, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("Code", ratio=3, no_wrap=True)
    table.add_column("State", width=13, no_wrap=True)
    if wide:
        table.add_column("TTL", ratio=2, no_wrap=True)
    table.add_column("s", justify="right", width=5)
    if wide:
        table.add_column("Bytes", justify="right", width=7)
    table.add_column("Hits today", justify="right", width=10)
    for code in codes:
        state = picture.states[code]
        seconds = "" if state.ttl_seconds is None else str(state.ttl_seconds)
        size = "" if state.payload_bytes is None else f"{state.payload_bytes:,}"
        hits = f"{picture.activity[code].hits_today:,}"
        what = code, Text(state.kind, STYLES.get(state.kind, "dim"))
        table.add_row(*what, *((_ttl_bar(state), seconds, size, hits) if wide else (seconds, hits)))
    return table


def _ttl_bar(state: EntryState) -> RenderableType:
    if state.ttl_seconds is None:
        return ""
    style = "green" if state.ttl_seconds * 5 > ENTITY.ttl_seconds else "yellow"
    return ProgressBar(ENTITY.ttl_seconds, state.ttl_seconds, complete_style=style, finished_style=style)


def _server_lines(picture: Picture) -> Text:
    server, backlog = picture.server, picture.backlog
    held = sum(state.kind is Kind.BEING_WRITTEN for state in picture.states.values())
    waiting = f", the oldest for {backlog.oldest_seconds:.1f} s" if backlog.changes else ""
    return _line(
        (f"{server.name} {server.version}, up {wording.duration(server.uptime_seconds)}", "bold"),
        f"   {wording.memory(server)}   {server.connected_clients} clients",
        (f"   {server.evicted_keys} evicted", "red" if server.evicted_keys else ""),
        (f"\nPending changes: {backlog.changes}{waiting}", "yellow" if backlog.changes else ""),
        (f"   Entries being written: {held}", "magenta" if held else ""),
    )


def _keys_line(view: View, entries: int, shown: int) -> Text:
    where = f"{view.first + 1}-{view.first + shown} of {entries}" if shown else "no entity types"
    order = SORTS[view.sort] + (", reversed" if view.is_reversed else "")
    return _line(f"{where}, by {order}   \u2191\u2193 PgUp PgDn scroll, s sorts, r reverses, q ends", style="dim")


def _away(title: str, meaning: str, error: Exception) -> Panel:
    reason = str(error).strip().partition("\n")[0]
    return Panel(Text(f"{meaning} Trying again.\n{reason}"), title=title, border_style="red", height=4)
