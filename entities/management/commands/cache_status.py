from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from cache_layer import CacheUnavailable
from cache_layer.inspect import (
    Backlog,
    EntryState,
    Health,
    Kind,
    LookupState,
    Recent,
    Series,
    ServerStatus,
    Span,
)
from entities.lookups import ENTITY, entries_of
from entities.management.cache_watch import HEALTH_STYLES, watch_cache
from entities.management.figures import describe_duration, describe_memory, percent_of
from entities.management.selection import REDIS_DOWN
from entities.management.terminal import console_of
from entities.models import Entity

SHOWN_ENTRIES = 100


@dataclass(frozen=True)
class Report:
    """
    The state of the cache.

    Attributes:
        entity_types: how many the database has.
        entries: the first ones in display order, and the list of all.
        lookups: how many values each lookup has in Redis.
        backlog: committed changes the cache may not know of yet.
        hour, recent: what readers counted.
    """

    entity_types: int
    entries: list[tuple[str, EntryState]]
    lookups: list[LookupState]
    backlog: Backlog
    server: ServerStatus
    hour: Series
    recent: Recent

    @property
    def cached(self) -> int:
        """How many entity types have a value in Redis."""
        return next(each.values for each in self.lookups if each.name == ENTITY.name)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and 0.1 <= seconds <= 3600):
        raise argparse.ArgumentTypeError("a number of seconds from 0.1 to 3600")
    return seconds


class Command(BaseCommand):
    help = "Shows what is cached of the entity types, and how Redis is doing. Fails if Redis does not reply."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object, for programs")
        parser.add_argument(
            "--all", action="store_true", dest="everything", help=f"every entity type, not the first {SHOWN_ENTRIES}"
        )
        parser.add_argument("--watch", action="store_true", help="a live table on the terminal, until Ctrl-C or q")
        parser.add_argument(
            "--interval", type=_seconds, default=2.0, help="seconds between two looks of --watch (default: 2)"
        )

    def handle(self, *, as_json: bool, everything: bool, watch: bool, interval: float, **_: Any) -> None:
        if watch:
            self._watch(interval, alone=not (as_json or everything))
            return
        try:
            report = look(limit=None if everything else SHOWN_ENTRIES)
        except RedisError as error:
            raise CommandError(REDIS_DOWN.format("readers get entity types from the database", error)) from error
        health = Health.look(counters=(report.hour, report.server))
        if as_json:
            self.stdout.write(json.dumps(_as_json(report) | {"health": health.as_json()}, indent=2))
            return
        console = console_of(self)
        print_health(console, health)
        console.print(_entries_table(report))
        if hidden := report.entity_types + 1 - len(report.entries):
            console.print(f"... and {hidden} more entity types: --all shows them")
        console.print(_lookups_table(report))
        console.print(_server_table(report))

    def _watch(self, interval_seconds: float, *, alone: bool) -> None:
        if not alone:
            raise CommandError("--watch shows what fits the terminal: leave out --json and --all.")
        console = console_of(self)
        if not console.is_terminal:
            raise CommandError("--watch needs a terminal: without one, leave it out or use --json.")
        watch_cache(console, interval_seconds)


def look(limit: int | None) -> Report:
    """
    Read the cache's state, with one round trip more for every few hundred entries.

    Args:
        limit: how many entity types to report individually; None for all.
    Raises:
        CacheUnavailable: Redis did not answer.
    """
    server = ServerStatus.read()
    codes = list(Entity.objects.values_list("code", flat=True)[:limit])
    states = EntryState.of_entries(entries_of(*codes))
    if any(state.kind is Kind.UNKNOWN for state in states):
        raise CacheUnavailable("Redis has just stopped answering.", refused=False)
    entries = list(zip([*codes, "the list"], states, strict=True))
    hour = Series.read(Span.HOUR)
    backlog = Backlog.measure()
    return Report(Entity.objects.count(), entries, LookupState.read(), backlog, server, hour, Recent.read(hour))


def _as_json(report: Report) -> dict[str, Any]:
    *entries, listed = (
        {
            "code": code,
            "cached": state.kind is Kind.CACHED,
            "ttl_seconds": state.ttl_seconds,
            "payload_bytes": state.payload_bytes,
        }
        for code, state in report.entries
    )
    recent = report.recent
    return {
        "entity_types": report.entity_types,
        "cached": report.cached,
        "lookups": [each._asdict() for each in report.lookups],
        "list_entry": listed,
        "entries": entries,
        "backlog": report.backlog._asdict(),
        "server": asdict(report.server),
        "reads": {
            "hit_ratio_last_hour": report.hour.hit_ratio(),
            "hit_ratio_now": recent.hit_ratio,
            "a_second_now": recent.rates,
            "now": recent.words,
        },
    }


def print_health(console: Console, health: Health) -> None:
    """Print the dashboard's headlines."""
    console.print(health.headline, style=HEALTH_STYLES[health.level], markup=False)
    for problem in health.problems:
        text = problem.advice if problem is health.problems[0] else f"{problem.text} {problem.advice}"
        console.print(f"  {text}", markup=False)
    if health.incidents:
        console.print(f"Last incidents, UTC: {'; '.join(each.words for each in health.incidents)}", markup=False)


def _entries_table(report: Report) -> Table:
    table = Table("Code", "Cached", title=f"{report.cached} of {report.entity_types} entity types cached")
    table.add_column("TTL, s", justify="right")
    table.add_column("Bytes", justify="right")
    for code, state in report.entries:
        known = "[green]yes[/green]", str(state.ttl_seconds), str(state.payload_bytes)
        table.add_row(code, *(known if state.kind is Kind.CACHED else ("no", "", "")))
    return table


def _lookups_table(report: Report) -> Table:
    table = Table("Lookup", title="All that is cached")
    table.add_column("TTL, s", justify="right")
    table.add_column("Values", justify="right")
    for each in report.lookups:
        table.add_row(each.name, str(each.ttl_seconds), str(each.values))
    return table


def _server_table(report: Report) -> Table:
    server, recent = report.server, report.recent
    table = Table("The server, since it started", "", title="Redis answers")
    table.add_row("Version", f"{server.name} {server.version}, up {describe_duration(server.uptime_seconds)}")
    table.add_row("Keyspace hits", str(server.keyspace_hits))
    table.add_row("Keyspace misses", str(server.keyspace_misses))
    table.add_row("Memory", describe_memory(server))
    table.add_row("Evicted keys", str(server.evicted_keys))
    table.add_row("Expired keys", str(server.expired_keys))
    table.add_row("Pending changes", f"{report.backlog.changes}")
    rates = recent.rates
    split = "  ".join(f"{source} {rate:,.1f}/s" for source, rate in rates.items()) if rates else recent.words
    table.add_row("Reads", f"{split} {recent.words}" if rates else split)
    table.add_row(f"Hit ratio {recent.words}", percent_of(recent.hit_ratio))
    table.add_row("Hit ratio, last hour", percent_of(report.hour.hit_ratio()))
    return table
