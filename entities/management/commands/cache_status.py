import argparse
import json
import math
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Column, Table

from cache_layer.inspect import Health, Kind, LookupState
from entities.cache import wording
from entities.lookups import ENTITY
from entities.management.cache_watch import HEALTH_STYLES, watch_cache
from entities.management.operating import REDIS_DOWN
from entities.management.picture import Picture, take_picture
from entities.management.terminal import console_of

SHOWN_ENTRIES = 100


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
            if as_json or everything:
                raise CommandError("--watch shows what fits the terminal: leave out --json and --all.")
            console = console_of(self)
            if not console.is_terminal:
                raise CommandError("--watch needs a terminal: without one, leave it out or use --json.")
            watch_cache(console, interval)
            return
        try:
            picture = take_picture(limit=None if everything else SHOWN_ENTRIES)
            lookups = LookupState.read()
        except RedisError as error:
            raise CommandError(REDIS_DOWN.format("readers get entity types from the database", error)) from error
        cached = next(each.values for each in lookups if each.name == ENTITY.name)
        if as_json:
            self.stdout.write(json.dumps(_as_json(picture, lookups, cached), indent=2))
            return
        console = console_of(self)
        print_health(console, picture.health)
        console.print(_entries_table(picture, cached))
        if hidden := picture.entity_types - len(picture.states):
            console.print(f"... and {hidden} more entity types: --all shows them")
        console.print(_lookups_table(lookups))
        console.print(_server_table(picture))


def _as_json(picture: Picture, lookups: list[LookupState], cached: int) -> dict[str, Any]:
    *entries, listed = (
        {
            "code": code,
            "cached": state.kind is Kind.CACHED,
            "ttl_seconds": state.ttl_seconds,
            "payload_bytes": state.payload_bytes,
        }
        for code, state in (*picture.states.items(), ("the list", picture.listed))
    )
    recent = picture.recent
    return {
        "entity_types": picture.entity_types,
        "cached": cached,
        "lookups": [each._asdict() for each in lookups],
        "list_entry": listed,
        "entries": entries,
        "backlog": picture.backlog._asdict(),
        "server": picture.server._asdict(),
        "reads": {
            "hit_ratio_last_hour": picture.hour.hit_ratio(),
            "hit_ratio_now": recent.hit_ratio(),
            "a_second_now": recent.rates,
            "now": recent.words,
        },
        "health": picture.health.as_json(),
    }


def print_health(console: Console, health: Health) -> None:
    """Print the dashboard's headlines."""
    console.print(health.headline, style=HEALTH_STYLES[health.level], markup=False)
    said = wording.health(health)
    for text in (said["advice"], *said["others"]):
        console.print(f"  {text}", markup=False)
    if health.incidents:
        console.print(f"Last incidents, UTC: {'; '.join(said['incidents'])}", markup=False)


def _entries_table(picture: Picture, cached: int) -> Table:
    rows = [
        (code, "[green]yes[/green]", str(state.ttl_seconds), str(state.payload_bytes))
        if state.kind is Kind.CACHED
        else (code, "no")
        for code, state in (*picture.states.items(), ("the list", picture.listed))
    ]
    title = f"{cached} of {picture.entity_types} entity types cached"
    return _table(title, ("Code", "Cached", Column("TTL, s", justify="right"), Column("Bytes", justify="right")), rows)


def _lookups_table(lookups: list[LookupState]) -> Table:
    columns = ("Lookup", Column("TTL, s", justify="right"), Column("Values", justify="right"))
    return _table("All that is cached", columns, [(each.name, each.ttl_seconds, each.values) for each in lookups])


def _server_table(picture: Picture) -> Table:
    server, recent = picture.server, picture.recent
    rates = recent.rates
    split = "  ".join(f"{source} {rate:,.1f}/s" for source, rate in rates.items()) if rates else recent.words
    rows = [
        ("Version", f"{server.name} {server.version}, up {wording.duration(server.uptime_seconds)}"),
        ("Keyspace hits", server.keyspace_hits),
        ("Keyspace misses", server.keyspace_misses),
        ("Memory", wording.memory(server)),
        ("Evicted keys", server.evicted_keys),
        ("Expired keys", server.expired_keys),
        ("Pending changes", picture.backlog.changes),
        ("Reads", f"{split} {recent.words}" if rates else split),
        (f"Hit ratio {recent.words}", wording.percent(recent.hit_ratio())),
        ("Hit ratio, last hour", wording.percent(picture.hour.hit_ratio())),
    ]
    return _table("Redis answers", ("The server, since it started", ""), rows)


def _table(title: str, columns: Iterable[Column | str], rows: Iterable[Iterable[object]]) -> Table:
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*map(str, row))
    return table
