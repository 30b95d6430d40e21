from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from cache_layer.inspect import Health, Recent, Series, Span, find_in_redis, look_at_health, read_recent, read_series
from entities.cache.report import CacheReport, EntryStatus, report_cache
from entities.management.cache_watch import HEALTH_STYLES, watch_cache
from entities.management.figures import describe_duration, describe_memory, percent_of
from entities.management.selection import REDIS_DOWN
from entities.management.terminal import console_of

SHOWN_ENTRIES = 100


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and 0.1 <= seconds <= 3600):
        raise argparse.ArgumentTypeError("a number of seconds from 0.1 to 3600")
    return seconds


class Command(BaseCommand):
    help = "Shows what is cached of the entity types, and how Redis is doing. Fails when Redis does not answer."

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
            report = report_cache(limit=None if everything else SHOWN_ENTRIES)
            hour = read_series(Span.HOUR)
            recent = read_recent(hour)
        except RedisError as error:
            raise CommandError(REDIS_DOWN.format("readers get entity types from the database", error)) from error
        health = look_at_health(counted=find_in_redis(hour, report.server))
        if as_json:
            server = asdict(report.server)
            backlog = report.backlog._asdict()
            reads = {
                "hit_ratio_last_hour": hour.hit_ratio(),
                "hit_ratio_now": recent.hit_ratio,
                "a_second_now": recent.rates,
                "now": recent.words,
            }
            lookups = [each._asdict() for each in report.lookups]
            found = {
                "backlog": backlog,
                "server": server,
                "reads": reads,
                "health": health.as_json(),
                "lookups": lookups,
            }
            self.stdout.write(json.dumps(asdict(report) | found, indent=2))
            return
        console = console_of(self)
        print_health(console, health)
        console.print(_entries_table(report))
        if hidden := report.entity_types - len(report.entries):
            console.print(f"... and {hidden} more entity types: --all shows them")
        console.print(_lookups_table(report))
        console.print(_server_table(report, hour, recent))

    def _watch(self, interval_seconds: float, *, alone: bool) -> None:
        if not alone:
            raise CommandError("--watch shows what fits the terminal: leave --json and --all away.")
        console = console_of(self)
        if not console.is_terminal:
            raise CommandError("--watch needs a terminal: without one, leave it out or use --json.")
        watch_cache(console, interval_seconds)


def print_health(console: Console, health: Health) -> None:
    """Print the dashboard's headlines."""
    console.print(health.headline, style=HEALTH_STYLES[health.level], markup=False)
    for problem in health.problems:
        text = problem.advice if problem is health.problems[0] else f"{problem.text} {problem.advice}"
        console.print(f"  {text}", markup=False)
    if health.incidents:
        console.print(f"Last incidents, UTC: {'; '.join(each.words for each in health.incidents)}", markup=False)


def _entries_table(report: CacheReport) -> Table:
    table = Table("Code", "Cached", title=f"{report.cached} of {report.entity_types} entity types cached")
    table.add_column("TTL, s", justify="right")
    table.add_column("Bytes", justify="right")
    for entry in (*report.entries, report.list_entry):
        table.add_row(*_cells(entry))
    return table


def _lookups_table(report: CacheReport) -> Table:
    table = Table("Lookup", title="All that is cached")
    table.add_column("TTL, s", justify="right")
    table.add_column("Values", justify="right")
    for each in report.lookups:
        table.add_row(each.name, str(each.ttl_seconds), str(each.values))
    return table


def _cells(entry: EntryStatus) -> tuple[str, str, str, str]:
    if not entry.cached:
        return entry.code, "no", "", ""
    return entry.code, "[green]yes[/green]", str(entry.ttl_seconds), str(entry.payload_bytes)


def _server_table(report: CacheReport, hour: Series, recent: Recent) -> Table:
    server = report.server
    table = Table("The server, since it started", "", title="Redis answers")
    table.add_row("Version", f"{server.name} {server.version}, up {describe_duration(server.uptime_seconds)}")
    table.add_row("Keyspace hits", str(server.keyspace_hits))
    table.add_row("Keyspace misses", str(server.keyspace_misses))
    table.add_row("Memory", describe_memory(server))
    table.add_row("Evicted keys", str(server.evicted_keys))
    table.add_row("Expired keys", str(server.expired_keys))
    table.add_row("Changes to be told to it", f"{report.backlog.changes}")
    rates = recent.rates
    split = "  ".join(f"{source} {rate:,.1f}/s" for source, rate in rates.items()) if rates else recent.words
    table.add_row("Reads", f"{split} {recent.words}" if rates else split)
    table.add_row(f"Hit ratio {recent.words}", percent_of(recent.hit_ratio))
    table.add_row("Hit ratio, last hour", percent_of(hour.hit_ratio()))
    return table
