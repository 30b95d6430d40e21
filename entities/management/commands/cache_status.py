from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import filesizeformat
from redis.exceptions import RedisError
from rich.table import Table

from entities.cache_report import CacheReport, EntryStatus, ServerStatus, report_cache
from entities.management.selection import REDIS_DOWN
from entities.terminal import console_of

SHOWN_ENTRIES = 100


class Command(BaseCommand):
    help = "Shows what is cached of the entity types, and how Redis is doing. Fails when Redis does not answer."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object, for programs")
        parser.add_argument(
            "--all", action="store_true", dest="everything", help=f"every entity type, not the first {SHOWN_ENTRIES}"
        )

    def handle(self, *, as_json: bool, everything: bool, **_: Any) -> None:
        try:
            report = report_cache(limit=None if everything else SHOWN_ENTRIES)
        except RedisError as error:
            raise CommandError(REDIS_DOWN.format("readers get entity types from the database", error)) from error
        if as_json:
            server = asdict(report.server) | {"hit_ratio": report.server.hit_ratio}
            backlog = report.backlog._asdict()
            self.stdout.write(json.dumps(asdict(report) | {"backlog": backlog, "server": server}, indent=2))
            return
        console = console_of(self.stdout)
        console.print(_entries_table(report))
        if hidden := report.entity_types - len(report.entries):
            console.print(f"... and {hidden} more entity types: --all shows them")
        console.print(_server_table(report))


def _entries_table(report: CacheReport) -> Table:
    table = Table("Code", "Cached", title=f"{report.cached} of {report.entity_types} entity types cached")
    table.add_column("TTL, s", justify="right")
    table.add_column("Bytes", justify="right")
    for entry in (*report.entries, report.list_entry):
        table.add_row(*_cells(entry))
    return table


def _cells(entry: EntryStatus) -> tuple[str, str, str, str]:
    if not entry.cached:
        return entry.code, "no", "", ""
    return entry.code, "[green]yes[/green]", str(entry.ttl_seconds), str(entry.payload_bytes)


def _server_table(report: CacheReport) -> Table:
    server = report.server
    table = Table("The server, since it started", "", title="Redis answers")
    table.add_row("Version", f"{server.name} {server.version}, up {_duration(server.uptime_seconds)}")
    table.add_row("Keyspace hits", str(server.keyspace_hits))
    table.add_row("Keyspace misses", str(server.keyspace_misses))
    table.add_row("Hit ratio", "no lookups yet" if server.hit_ratio is None else f"{server.hit_ratio:.1%}")
    table.add_row("Memory", _memory(server))
    table.add_row("Evicted keys", str(server.evicted_keys))
    table.add_row("Expired keys", str(server.expired_keys))
    table.add_row("Changes to be told to it", f"{report.backlog.changes}")
    return table


def _memory(server: ServerStatus) -> str:
    used = filesizeformat(server.used_memory_bytes)
    limit = f"of {filesizeformat(server.max_memory_bytes)}" if server.max_memory_bytes else "without a limit"
    return f"{used}, {limit}".replace("\xa0", " ")


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    return (
        f"{days} d {hours} h" if days else f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
    )
