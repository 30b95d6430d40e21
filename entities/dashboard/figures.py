"""
The dashboard's figures: one reading of them serves all open dashboards of a process for a second.

Building it takes a few round trips to Redis for the counters, its nodes and what is stored, and five queries. Without
Redis it takes one timeout, and the database's figures are still there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.exceptions import RedisError

from cache_layer import Options
from cache_layer.inspect import Amount, Backlog, Health, Kept, Series, ServerStatus, Span
from entities.dashboard import wording
from entities.dashboard.charts import chart_invalidations, chart_reads
from entities.dashboard.counted import NAMES, Counted, forget_counted, read_counted
from entities.dashboard.lives import Lives, advise
from entities.lookups import ENTITY
from entities.models import CacheOperation, Entity

FIGURES_TTL_SECONDS = 1
SHOWN_OPERATIONS = 5
REDIS_DOWN = (
    "Redis does not answer: readers get entity types from the database, and nothing can be invalidated or warmed"
    " until it is back. What is shown here of the database is as it is now."
)
NOT_COUNTED = "No reads counted yet: figures appear a few seconds after the first read."
SWITCHED_OFF = "Counting is switched off (CACHE_ANALYTICS_SECONDS is 0): there are no figures for reads."


@dataclass(frozen=True)
class Cache:
    """What Redis reports."""

    counted: Counted
    nodes: dict[str, ServerStatus]
    stored: Amount


@dataclass(frozen=True)
class Database:
    """What PostgreSQL reports."""

    active_types: int
    backlog: Backlog
    operations: list[CacheOperation]


def make_figures(span: Span) -> dict[str, Any]:
    """The dashboard's overview, in words."""
    health = Health.look()
    try:
        cache = Cache(read_counted(), ServerStatus.read_nodes(), Amount.measure())
    except RedisError:
        cache = None
    database = Database(
        Entity.objects.filter(active_flag=True).count(),
        health.backlog or Backlog(0, 0.0),
        list(CacheOperation.objects.all()[:SHOWN_OPERATIONS]),
    )
    texts = _word_database(database)
    answer: dict[str, Any] = {
        "answers": cache is not None,
        "health": wording.health(health),
        "taken": wording.clock(time.time()),
        "span": NAMES[span],
        "notices": _notices(cache),
        "operations": [_word_operation(operation) for operation in database.operations],
        "charts": {},
        "nodes": [],
        "ended": [],
    }
    if cache is not None:
        series = cache.counted.over(span)
        lives = Lives.of(series)
        texts |= (
            _word_reads(cache.counted) | _word_span(series, lives, NAMES[span]) | _word_stored(cache.stored, database)
        )
        answer["charts"] = {"reads": chart_reads(series, cache.counted.hour), "causes": chart_invalidations(series)}
        answer["nodes"] = [_word_node(address, status) for address, status in cache.nodes.items()]
        answer["ended"] = [
            {"name": name, "count": wording.count(number), "percent": round(100 * lives.share(number), 1)}
            for name, number in (
                ("Invalidated", lives.invalidated),
                ("Expired", lives.expired),
                ("Renewed", lives.renewed),
            )
        ]
    return answer | {"texts": texts}


_kept = {span: Kept(partial(make_figures, span), seconds=FIGURES_TTL_SECONDS) for span in Span}


def read_figures(span: Span) -> dict[str, Any]:
    """`make_figures`, cached for up to a second."""
    return _kept[span].get()


def forget_figures() -> None:
    """Make the next call read everything anew."""
    forget_counted()
    Health.forget()
    for kept in _kept.values():
        kept.forget()


def _notices(cache: Cache | None) -> list[str]:
    if cache is None:
        return []
    if not Options.in_force().analytics_seconds:
        return [SWITCHED_OFF]
    counted = cache.counted.week.totals("reads") or cache.counted.hour.totals("reads")
    return [] if counted else [NOT_COUNTED]


def _word_reads(counted: Counted) -> dict[str, str]:
    recent = counted.recent
    rates = recent.rates
    split = (
        ", ".join(f"{wording.rate(rates[source])} {name}" for source, name in Series.SOURCES.items() if rates[source])
        if rates
        else ""
    )
    return {
        "hit_now": wording.percent(recent.hit_ratio),
        "hit_hour": wording.percent(counted.hour.hit_ratio()),
        "hit_day": wording.percent(counted.day.hit_ratio()),
        "hit_week": wording.percent(counted.week.hit_ratio()),
        "reads_rate": wording.rate(sum(rates.values())) if rates else wording.UNKNOWN,
        "reads_split": split,
        "recent": recent.words,
        "audit": wording.count(counted.week.total("audit_mismatches")),
        "audit_note": _word_audit(counted),
    }


def _word_audit(counted: Counted) -> str:
    compared = counted.week.total("audited_values")
    for series in (counted.hour, counted.week):
        times = [
            start for start, counts in zip(series.starts_s, series.counts, strict=True) if counts.get("audited_values")
        ]
        if times:
            words = f"{wording.count(max(compared, series.total('audited_values')))} values compared in 7 days"
            return f"{words}, last {wording.moment(times[-1])}"
    return "no comparison reported in 7 days"


def _word_span(series: Series, lives: Lives, span: str) -> dict[str, str]:
    reads = sum(series.totals("answer_seconds").get(f"{source}:+Inf", 0) for source in Series.SOURCES)
    replays = series.total("replays")
    relayed = series.total("relayed_changes")
    dropped = sum(series.totals("invalidations").values())
    return {
        "p50": wording.time_taken(series.read_percentile_seconds(0.5)),
        "p95": wording.time_taken(series.read_percentile_seconds(0.95)),
        "p99": wording.time_taken(series.read_percentile_seconds(0.99)),
        "answers_note": f"{wording.count(reads + replays)} API reads over {span},"
        f" {wording.count(replays)} of them served from memory alone.",
        "relay_lag": wording.time_taken(series.percentile_seconds("relay_lag_seconds", 0.95)),
        "relay_note": f"p95, of {wording.count(relayed)} made past Django",
        "dropped": f"{wording.count(dropped)} invalidated, {wording.count(lives.expired)} expired",
        "lost_holds": wording.count(series.total("holds_ended:lost")),
        "hint": advise(lives, ENTITY.ttl_seconds),
        "reads_each": wording.UNKNOWN if lives.reads_each is None else wording.about(lives.reads_each),
        "stored": wording.count(lives.stored),
        "lives": wording.count(lives.ended),
        "unread": wording.UNKNOWN if not lives.ended else wording.whole_percent(lives.share(lives.unread)),
    }


def _word_stored(stored: Amount, database: Database) -> dict[str, str]:
    return {
        "cached": wording.at_least(stored.values.get(ENTITY.name, 0), complete=stored.complete),
        "cached_note": f"of {wording.count(database.active_types)} active entity types",
        "cached_besides": _word_others(stored.values),
        "holds": wording.at_least(stored.holds, complete=stored.complete),
    }


def _word_others(values: Mapping[str, int]) -> str:
    """The other cached values: `also group 3, person 12`."""
    others = [f"{name} {wording.count(number)}" for name, number in sorted(values.items()) if name != ENTITY.name]
    return f"also {', '.join(others)}" if others else ""


def _word_database(database: Database) -> dict[str, str]:
    backlog = database.backlog
    return {
        "answers_note": "",
        "recent": "not known while Redis is away",
        "hint": "The counts are in Redis: they are shown again when it replies.",
        "cached_note": f"{wording.count(database.active_types)} active entity types",
        "backlog": wording.count(backlog.changes),
        "backlog_note": f"the oldest for {backlog.oldest_seconds:.1f} s" if backlog.changes else "nothing waits",
    }


def _word_node(address: str, status: ServerStatus) -> dict[str, Any]:
    limit = f"of {wording.size(status.max_memory_bytes)}" if status.max_memory_bytes else "no limit set"
    facts: tuple[tuple[str, str], ...] = (
        ("Up", wording.duration(status.uptime_seconds)),
        ("Memory", f"{wording.size(status.used_memory_bytes)}, {limit}"),
        ("Clients", wording.count(status.connected_clients)),
        ("Evicted keys", wording.count(status.evicted_keys)),
        ("Expired keys", wording.count(status.expired_keys)),
    )
    return {"name": f"{status.name.capitalize()} {status.version}", "address": address, "facts": facts}


def _word_operation(operation: CacheOperation) -> list[str]:
    return [
        wording.moment(operation.done_ts.timestamp()),
        operation.username,
        operation.origin,
        operation.get_operation_display(),
        _shortened(operation.subject),
        operation.reason,
        operation.result,
    ]


def _shortened(subject: str) -> str:
    return subject if len(subject) <= 60 else f"{subject[:57]}..."
