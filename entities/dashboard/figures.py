"""
The dashboard's figures: one reading of them serves all open dashboards of a process for a second.

Building it takes a few round trips to Redis for the counters, its nodes and what is stored, and five queries. Without
Redis it takes one timeout, and the database's figures are still there.
"""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from redis.exceptions import RedisError

from cache_layer import Options
from cache_layer.inspect import Amount, Backlog, Health, Memo, Series, ServerStatus, Span
from entities.cache import wording
from entities.dashboard.charts import chart_invalidations, chart_reads, tabulate
from entities.dashboard.lives import Lives, advise
from entities.lookups import ENTITY
from entities.models import CacheOperation, Entity

SPANS = {
    "hour": (Span.HOUR, "1 h", "the last hour"),
    "day": (Span.DAY, "24 h", "the last 24 hours"),
    "week": (Span.WEEK, "7 d", "the last 7 days"),
}
"""The spans of the charts, their labels, and what they are called in sentences."""
FIGURES_TTL_SECONDS, WEEK_TTL_SECONDS = 1, 30
"""A week has 168 steps, of which only the last changes."""
SHOWN_OPERATIONS = 5
REDIS_DOWN = (
    "Redis does not answer: readers get entity types from the database, and nothing can be invalidated or warmed"
    " until it is back. What is shown here of the database is as it is now."
)
NOT_COUNTED = "No reads counted yet: figures appear a few seconds after the first read."
SWITCHED_OFF = "Counting is switched off (CACHE_ANALYTICS_SECONDS is 0): there are no figures for reads."


_week = Memo(partial(Series.read, Span.WEEK), seconds=WEEK_TTL_SECONDS)


def make_figures(span: str) -> dict[str, Any]:
    """The dashboard's overview, in words; `span` is one of `SPANS`."""
    shown, _, span_name = SPANS[span]
    health = Health.look()
    active_types = Entity.objects.filter(active_flag=True).count()
    figures: dict[str, Any] = {
        "answers": False,
        "health": wording.health(health),
        "taken": wording.clock(time.time()),
        "span": span_name,
        "notices": [],
        "operations": list(CacheOperation.objects.all()[:SHOWN_OPERATIONS]),
        "texts": _word_database(active_types, health.backlog or Backlog(0, 0.0)),
        "charts": {},
    }
    try:
        hour, week = Series.read(Span.HOUR), _week.get()
        recent, nodes, stored = Series.recent(hour), ServerStatus.read_nodes(), Amount.measure()
    except RedisError:
        return figures
    over = {Span.HOUR: hour, Span.DAY: week.latest(24), Span.WEEK: week}
    series = over[shown]
    lives = Lives(series)
    charts = {"reads": chart_reads(series, hour), "causes": chart_invalidations(series)}
    ended = (("Invalidated", lives.invalidated), ("Expired", lives.expired), ("Renewed", lives.renewed))
    return figures | {
        "answers": True,
        "notices": _notices(over),
        "texts": figures["texts"]
        | _word_reads(recent, over)
        | _word_span(series, lives, span_name)
        | _word_stored(stored, active_types),
        "charts": charts,
        "tables": {name: tabulate(chart) for name, chart in charts.items()},
        "nodes": [_word_node(address, status) for address, status in nodes.items()],
        "ended": [
            {"name": name, "count": wording.count(number), "percent": round(100 * lives.share(number), 1)}
            for name, number in ended
        ],
    }


_figures = {span: Memo(partial(make_figures, span), seconds=FIGURES_TTL_SECONDS) for span in SPANS}


def read_figures(span: str) -> dict[str, Any]:
    """`make_figures`, cached for up to a second."""
    return _figures[span].get()


def forget_figures() -> None:
    """Make the next call read everything anew."""
    _week.forget()
    Health.forget()
    for memo in _figures.values():
        memo.forget()


def _notices(over: Mapping[Span, Series]) -> list[str]:
    if not Options.current().analytics_seconds:
        return [SWITCHED_OFF]
    is_counted = over[Span.WEEK].totals("reads") or over[Span.HOUR].totals("reads")
    return [] if is_counted else [NOT_COUNTED]


def _word_reads(recent: Series, over: Mapping[Span, Series]) -> dict[str, str]:
    rates = recent.rates or {}
    split = (f"{wording.rate(rates[source])} {name}" for source, name in Series.SOURCES.items() if rates.get(source))
    return {
        "hit_now": wording.percent(recent.hit_ratio()),
        "hit_hour": wording.percent(over[Span.HOUR].hit_ratio()),
        "hit_day": wording.percent(over[Span.DAY].hit_ratio()),
        "hit_week": wording.percent(over[Span.WEEK].hit_ratio()),
        "reads_rate": wording.rate(sum(rates.values())) if rates else wording.UNKNOWN,
        "reads_split": ", ".join(split),
        "recent": recent.words,
        "audit": wording.count(over[Span.WEEK].total("audit_mismatches")),
        "audit_note": _word_audit(over),
    }


def _word_audit(over: Mapping[Span, Series]) -> str:
    known = over[Span.HOUR], over[Span.WEEK]  # a week's are seconds old, and its steps long
    steps = (step for series in known for step in zip(series.starts_s, series.counts, strict=True))
    times = [start for start, counts in steps if "audited_values" in counts]
    if not times:
        return "no comparison reported in 7 days"
    compared = max(series.total("audited_values") for series in known)
    return f"{wording.count(compared)} values compared in 7 days, last {wording.moment(max(times))}"


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


def _word_stored(stored: Amount, active_types: int) -> dict[str, str]:
    besides = [
        f"{name} {wording.count(number)}" for name, number in sorted(stored.values.items()) if name != ENTITY.name
    ]
    return {
        "cached": wording.at_least(stored.values.get(ENTITY.name, 0), complete=stored.complete),
        "cached_note": f"of {wording.count(active_types)} active entity types",
        "cached_besides": f"also {', '.join(besides)}" if besides else "",
        "holds": wording.at_least(stored.holds, complete=stored.complete),
    }


def _word_database(active_types: int, backlog: Backlog) -> dict[str, str]:
    """What is known without Redis, and what to say about the rest."""
    return {
        "answers_note": "",
        "recent": "not known while Redis does not answer",
        "hint": "The counts are in Redis: they are shown again when it replies.",
        "cached_note": f"{wording.count(active_types)} active entity types",
        "backlog": wording.count(backlog.changes),
        "backlog_note": f"the oldest for {backlog.oldest_seconds:.1f} s" if backlog.changes else "nothing waits",
    }


def _word_node(address: str, status: ServerStatus) -> dict[str, Any]:
    facts: tuple[tuple[str, str], ...] = (
        ("Up", wording.duration(status.uptime_seconds)),
        ("Memory", wording.memory(status)),
        ("Clients", wording.count(status.connected_clients)),
        ("Evicted keys", wording.count(status.evicted_keys)),
        ("Expired keys", wording.count(status.expired_keys)),
    )
    return {"name": f"{status.name.capitalize()} {status.version}", "address": address, "facts": facts}
