"""The figures, and the hint about the TTL, are what every server counted, and say so when nothing was."""

import time
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from redis import Redis

from cache_layer.activity import note_invalidated, note_stored
from cache_layer.counting.analytics import Series
from cache_layer.counting.reporting import report_activity
from cache_layer.inspect import server
from cache_layer.inspect.memo import Memo
from cache_layer.keys import analytics_key, totals_key
from cache_layer.metrics import ANSWER_SECONDS, AUDITED_VALUES, INVALIDATIONS, MISMATCHES, RELAY_LAG_SECONDS
from cache_layer.protocol.scripts import hold_keys
from entities.cache.wording import about
from entities.dashboard import figures as dashboard_figures
from entities.dashboard.charts import SOURCES, chart_reads
from entities.dashboard.figures import SPANS, forget_figures, read_figures
from entities.dashboard.lives import Lives, advise
from tests.conftest import make_entity
from tests.dashboard.conftest import DASHBOARD, FIGURES, add_late_change, count_reads, figures, series


def test_hit_ratio_is_that_of_the_reads_over_each_span(viewer: Client) -> None:
    count_reads(local=6, redis=2, database=2)
    report_activity()
    texts = figures(viewer)["texts"]
    assert [texts[name] for name in ("hit_hour", "hit_day", "hit_week")] == ["80.0 %"] * 3
    assert (texts["hit_now"], texts["reads_rate"], texts["recent"]) == ("-", "-", "not reported yet"), (
        "no step is whole"
    )


def test_only_all_hits_are_called_a_hundred_percent(viewer: Client) -> None:
    count_reads(local=4999, database=1)
    report_activity()
    assert figures(viewer)["texts"]["hit_hour"] == "99.9 %"


@pytest.mark.parametrize("span", SPANS)
def test_the_chart_has_every_step_of_its_span(viewer: Client, span: str) -> None:
    chart = figures(viewer, span)["charts"]["reads"]
    assert len(chart["labels"]) == {"hour": 60, "day": 24, "week": 168}[span]
    assert [dataset["label"] for dataset in chart["datasets"]] == list(SOURCES.values())


def reads(series_of: Series, hour: Series) -> list[float | None]:
    return series(chart_reads(series_of, hour), SOURCES["L1"])


def test_reads_are_divided_by_the_time_they_took_and_what_is_not_reported_is_not_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = 1_800_000_000
    minute = begun + 30 * 60
    monkeypatch.setattr(time, "time", lambda: minute + 30.0)
    starts = tuple(minute - 60 * ago for ago in (3, 2, 1, 0))
    counts = ({"reports": 1, "reads:L1": 600}, {}, {"reports": 1}, {"reports": 1, "reads:L1": 7})
    hour = Series(60, starts, counts)
    assert reads(hour, hour) == [10.0, None, 0.0, None]
    hours = Series(3600, (begun - 3600, begun), ({"reports": 1, "reads:L1": 36_000}, {"reports": 1, "reads:L1": 9}))
    minutes = Series(60, (begun, begun + 60), ({"reads:L1": 120}, {"reads:L1": 240}))
    assert reads(hours, minutes) == [10.0, 3.0], "the present hour is made of its whole minutes"


def test_percentiles_are_those_of_reads_and_what_came_from_memory_alone_is_told(viewer: Client) -> None:
    for seconds in [0.0009] * 90 + [0.02] * 9 + [0.3]:
        ANSWER_SECONDS.labels("L2").observe(seconds)
    ANSWER_SECONDS.labels("none").observe(3.0)
    count_reads(replays=7)
    report_activity()
    texts = figures(viewer)["texts"]
    assert (texts["p50"], texts["p95"], texts["p99"]) == ("0.87 ms", "18 ms", "20 ms")
    assert texts["answers_note"] == "107 API reads over the last hour, 7 of them served from memory alone."


def test_a_steady_rate_is_shown_as_it_is_from_moments_or_else_the_last_whole_minute(
    viewer: Client, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time() // 60 * 60 + 30  # in the middle of this minute
    monkeypatch.setattr(time, "time", lambda: now)
    redis_client.hset(totals_key(60, now - 60), mapping={"reports": 1, "reads:L1": 2400, "reads:DB": 600})
    redis_client.hset(totals_key(60, now), mapping={"reports": 1, "reads:L1": 3})
    texts = figures(viewer)["texts"]
    assert (texts["reads_rate"], texts["hit_now"], texts["recent"]) == ("50", "80.0 %", "over the last whole minute")
    for ago in range(2, 20, 2):
        redis_client.hset(totals_key(2, now - ago), mapping={"reports": 1, "reads:L1": 100})
    redis_client.hset(totals_key(2, now), mapping={"reports": 1, "reads:L1": 31})
    texts = figures(viewer)["texts"]
    assert (texts["reads_rate"], texts["hit_now"]) == ("50", "100.0 %")
    assert texts["recent"] == "over the last 10 s"
    assert redis_client.exists(analytics_key("watched")), "every process reports while somebody looks"


def test_invalidations_are_charted_by_cause(viewer: Client) -> None:
    for number, cause in enumerate(("admin", "api", "command", "sql", "clear", "audit", "restart"), start=1):
        INVALIDATIONS.labels(cause).inc(number)
    report_activity()
    chart = figures(viewer)["charts"]["causes"]
    names = ("Admin", "API", "Command", "SQL", "By hand", "Audit", "Restart", "Expiry")
    assert [series(chart, name)[-1] for name in names] == [1, 2, 3, 4, 5, 6, 7, 0]


def test_relay_and_audit_are_told(viewer: Client) -> None:
    RELAY_LAG_SECONDS.observe(0.004)
    AUDITED_VALUES.inc(12)
    MISMATCHES.inc(2)
    report_activity()
    texts = figures(viewer)["texts"]
    assert texts["relay_lag"] == "4.9 ms"
    assert texts["audit"] == "2"
    assert texts["audit_note"].startswith("12 values compared in 7 days, last ")


def test_holds_in_force_and_cached_values_are_counted(viewer: Client, redis_client: Redis) -> None:
    make_entity("idle")
    redis_client.set("entity:metadata:idle", "x")
    hold_keys(["entity:metadata:project", "entity:metadata:task", "entity:types"], "somebody")
    redis_client.zadd("{entity:metadata:gone}:holds", {"late": time.time() * 1000 - 1})
    texts = figures(viewer)["texts"]
    assert (texts["holds"], texts["cached"], texts["cached_note"]) == ("3", "1", "of 1 active entity types")


def test_of_very_many_keys_it_says_at_least(
    viewer: Client, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "SCAN_STEPS", 1)
    monkeypatch.setattr(server, "SCAN_KEYS", 10)
    redis_client.mset({f"entity:metadata:t{number}": "x" for number in range(200)})
    assert figures(viewer)["texts"]["cached"].startswith("at least ")


def test_the_outbox_is_told(viewer: Client) -> None:
    assert figures(viewer)["texts"]["backlog"] == "0"
    add_late_change(90)
    texts = figures(viewer)["texts"]
    assert (texts["backlog"], texts["backlog_note"]) == ("1", "the oldest for 90.0 s")


def test_each_node_shows_version_memory_clients_and_evictions(viewer: Client, redis_client: Redis) -> None:
    (node,) = figures(viewer)["nodes"]
    server = redis_client.info("server")
    assert node["name"] in (f"Valkey {server.get('valkey_version')}", f"Redis {server['redis_version']}")
    assert node["name"].startswith("Valkey") == ("valkey_version" in server)
    assert [name for name, _ in node["facts"]][:4] == ["Up", "Memory", "Clients", "Evicted keys"]


def test_before_anything_is_counted_it_says_so(viewer: Client) -> None:
    found = figures(viewer)
    assert found["notices"] == ["No reads counted yet: figures appear a few seconds after the first read."]
    assert found["texts"]["hit_now"] == "-"
    count_reads(local=1)
    report_activity()
    assert figures(viewer)["notices"] == []


def test_switched_off_it_says_so(viewer: Client, set_options: Callable[..., None]) -> None:
    set_options(analytics_seconds=0)
    assert figures(viewer)["notices"] == [
        "Counting is switched off (CACHE_ANALYTICS_SECONDS is 0): there are no figures for reads."
    ]


def test_without_redis_the_databases_figures_are_there_within_one_time_out(
    viewer: Client, redis_down: None, set_options: Callable[..., None]
) -> None:
    begun = time.monotonic()
    page = viewer.get(DASHBOARD)
    assert time.monotonic() - begun < 1.0
    assert page.status_code == 200
    assert "Redis does not answer: entity types are read from the database" in page.content.decode()
    found = figures(viewer)
    assert (found["answers"], found["texts"]["backlog"], found["charts"]) == (False, "0", {})


def test_making_the_figures_takes_few_exchanges_and_five_queries(
    committed_db: None, redis_client: Redis, commands: list[str]
) -> None:
    redis_client.mset({f"entity:metadata:t{number}": "x" for number in range(3000)})
    forget_figures()
    commands.clear()
    with CaptureQueriesContext(connection) as queries:
        read_figures("week")
    assert len(queries) == 5
    assert len(commands) <= 11


def test_ten_dashboards_cost_as_one(viewer: Client, commands: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for memo in dashboard_figures._figures.values():
        monkeypatch.setattr(memo, "_seconds", 60)  # a second is short on a busy machine
    viewer.get(FIGURES)  # sessions and the first figures
    commands.clear()
    for _ in range(10):
        viewer.get(FIGURES)
    assert commands.count("PIPELINE") == 0


def test_what_is_kept_is_made_again_when_its_time_is_over() -> None:
    made: list[int] = []

    def make() -> int:
        made.append(len(made))
        return len(made)

    kept = Memo(make, seconds=60)
    assert (kept.get(), kept.get()) == (1, 1)
    kept.forget()
    assert kept.get() == 2
    assert (Memo(make, seconds=0).get(), len(made)) == (3, 3)


def test_an_unknown_span_is_refused(viewer: Client) -> None:
    assert [viewer.get(url, {"span": "year"}).status_code for url in (FIGURES, DASHBOARD)] == [404, 404]


def test_the_page_has_the_figures_without_its_script(viewer: Client) -> None:
    count_reads(local=3, database=1)
    report_activity()
    page = viewer.get(DASHBOARD).content.decode()
    assert "<dt>1 h</dt><dd>75.0 %</dd>" in page


def lives(hours: int = 1, **counts: int) -> Lives:
    names = {
        "reads": "reads:L1",
        "stored": "fills:stored",
        "unread_expired": "unread:expired",
        **{how: f"ended:{how}" for how in ("invalidated", "expired", "renewed")},
    }
    steps = ({names[name]: number for name, number in counts.items()}, *[{}] * (hours - 1))
    return Lives(Series(3600, tuple(range(hours)), steps))


@pytest.mark.parametrize(
    ("counted", "hint"),
    [
        (
            lives(expired=19),
            "Not enough was counted yet to judge how long entries stay (TTL, 300 s): 19 of at least 20",
        ),
        (lives(expired=100, unread_expired=62), "62 % expire unread: a shorter TTL than 300 s would free memory"),
        (lives(invalidated=60, expired=40), "60 % are dropped by a change, not by expiry"),
        (lives(renewed=240, expired=10, hours=2), "Entries are in use when they expire, and are renewed"),
        (lives(expired=100, stored=100, reads=130), "A stored value serves 1.3 reads on average"),
        (lives(expired=100, stored=100, reads=4012), "A stored value is read about 40 times on average"),
    ],
)
def test_the_hint_fits_the_lives(counted: Lives, hint: str) -> None:
    assert advise(counted, 300).startswith(hint)


def test_renewals_are_told_by_the_hour() -> None:
    assert "about 60 queries an hour" in advise(lives(renewed=240, expired=10, hours=2), 300)


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0"), (0.345, "0.34"), (1.26, "1.3"), (43.7, "44"), (1249, "1,200"), (99.6, "100")]
)
def test_no_more_than_two_digits_are_claimed(number: float, words: str) -> None:
    assert about(number) == words


def test_lives_are_those_that_were_reported(viewer: Client, redis_client: Redis) -> None:
    keys = [f"entity:metadata:t{number}" for number in range(30)]
    note_stored(keys)
    report_activity()
    note_invalidated(keys[:10], "api")
    redis_client.zadd(analytics_key("stored"), dict.fromkeys(keys[10:], 1))  # their time is over
    count_reads(local=1)
    report_activity()
    found = figures(viewer)
    assert [(item["name"], item["count"]) for item in found["ended"]] == [
        ("Invalidated", "10"),
        ("Expired", "20"),
        ("Renewed", "0"),
    ]
    assert found["texts"]["hint"].startswith("67 % expire unread")
    assert found["texts"]["unread"] == "100 %"
