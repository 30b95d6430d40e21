"""The live table of `cache_status --watch`."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
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

from cache_layer.inspect import EntryActivity, EntryState, Kind
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
    "hits today": lambda picture, code: -picture.hits_today[code],
}
"""What entries can be sorted by; those that are equal stay in display order."""
SORTS = tuple(ORDERS)


@dataclass
class View:
    """Which part of the entries is shown, and in which order; keys change it."""

    sort: int = 0
    is_reversed: bool = False
    first: int = 0
    shown: int = field(default=MIN_ENTRIES)

    def press(self, key: str) -> bool:
        """Handle a key; returns whether to go on. Where the entries end, drawing says."""
        moves = {
            "up": -1,
            "k": -1,
            "down": 1,
            "j": 1,
            "page up": -self.shown,
            "page down": self.shown,
            "home": -sys.maxsize,
            "end": sys.maxsize,
        }
        if key == "s":
            self.sort, self.first = (self.sort + 1) % len(SORTS), 0
        elif key == "r":
            self.is_reversed, self.first = not self.is_reversed, 0
        self.first += moves.get(key, 0)
        return key != "q"


def watch_cache(console: Console, interval_seconds: float) -> None:
    """Show the cache live until Ctrl-C or q; engines that are away are named and retried."""
    logging.disable(logging.ERROR)  # log lines would tear the display, which says the same
    view = View()
    try:
        with single_keys(), Live(Text("Looking ..."), console=console, screen=True, auto_refresh=False) as live:
            while _look_and_wait(live, console, view, interval_seconds):
                pass
    except KeyboardInterrupt:
        return
    finally:
        logging.disable(logging.NOTSET)


def _look_and_wait(live: Live, console: Console, view: View, interval_seconds: float) -> bool:
    """Look once, redrawing on each key until the next look is due; returns whether to go on."""
    due = time.monotonic() + interval_seconds
    found = look()
    while True:
        view.shown = max(MIN_ENTRIES, console.size.height - AROUND_ENTRIES)
        live.update(draw(found, view, console.size) if isinstance(found, Picture) else found, refresh=True)
        left = due - time.monotonic()
        if left <= 0:
            return True
        if not view.press(wait_for_key(left)):
            return False


def look() -> Picture | Panel:
    """What to show now."""
    try:
        picture = take_picture()
        activity = EntryActivity.read(ENTITY, picture.states)
    except RedisError as error:
        return _away("Redis does not answer", "Readers get entity types from the database.", error)
    except Error as error:
        return _away("PostgreSQL does not answer", "What is cached is still read.", error)
    return replace(picture, hits_today={code: each.hits_today for code, each in activity.items()})


def draw(picture: Picture, view: View, size: ConsoleDimensions) -> RenderableType:
    """Draw the picture without a frame, since lines are scarce; omit bars and sizes if there is no room."""
    codes = _sorted_codes(picture, view)
    view.first = max(0, min(view.first, len(codes) - view.shown))
    shown = codes[view.first : view.first + view.shown]
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(picture.health.headline, style=HEALTH_STYLES[picture.health.level])
    return Group(
        line,
        _rates_line(picture),
        _entries_table(picture, shown, wide=size.width >= WIDE),
        _server_lines(picture),
        _keys_line(view, len(codes), len(shown)),
    )


def _sorted_codes(picture: Picture, view: View) -> list[str]:
    codes = sorted(picture.states, key=partial(ORDERS[SORTS[view.sort]], picture))
    return codes[::-1] if view.is_reversed else codes


def _rates_line(picture: Picture) -> Text:
    rates = picture.recent.rates
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"Hit ratio {wording.percent(picture.recent.hit_ratio())}", style="bold")
    line.append(f" {picture.recent.words}  ")
    for source, style in SOURCES.items():
        line.append(f" {source} {f'{rates[source]:,.1f}/s' if rates else '-'}", style=style)
    return line


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
        hits = f"{picture.hits_today[code]:,}"
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
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{server.name} {server.version}, up {wording.duration(server.uptime_seconds)}", style="bold")
    line.append(f"   {wording.memory(server)}   {server.connected_clients} clients")
    line.append(f"   {server.evicted_keys} evicted", style="red" if server.evicted_keys else "")
    line.append(f"\nPending changes: {backlog.changes}{waiting}", style="yellow" if backlog.changes else "")
    return line.append(f"   Entries being written: {held}", style="magenta" if held else "")


def _keys_line(view: View, entries: int, shown: int) -> Text:
    where = f"{view.first + 1}-{view.first + shown} of {entries}" if shown else "no entity types"
    order = SORTS[view.sort] + (", reversed" if view.is_reversed else "")
    line = Text(no_wrap=True, overflow="ellipsis", style="dim")
    return line.append(f"{where}, by {order}   \u2191\u2193 PgUp PgDn scroll, s sorts, r reverses, q ends")


def _away(title: str, meaning: str, error: Exception) -> Panel:
    reason = str(error).strip().partition("\n")[0]
    return Panel(Text(f"{meaning} Trying again.\n{reason}"), title=title, border_style="red", height=4)
