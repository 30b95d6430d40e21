"""Analytics in Redis: what all processes counted, told once, and bounded."""

import time
from dataclasses import dataclass
from typing import Any

import pytest
from redis import Redis

from cache_layer.activity import count_local_hit, count_replay, count_replay_time, note_invalidated, note_stored
from cache_layer.counting import reporting
from cache_layer.counting.analytics import HOUR_SECONDS, MINUTE_SECONDS, Series, Span, percentile_of
from cache_layer.counting.reporting import Reporter
from cache_layer.errors import CacheUnavailable
from cache_layer.inspect import EntryActivity
from cache_layer.keys import DAY_SECONDS, analytics_key, hits_key, totals_key
from cache_layer.metrics import ANSWER_SECONDS, INVALIDATIONS
from cache_layer.protocol.calls import BATCH_KEYS
from entities.lookups import ENTITY

KEY = "entity:metadata:project"


def activity_of() -> EntryActivity:
    return EntryActivity.read(ENTITY, ["project"])["project"]


NOW = 1_800_000_000


@dataclass
class Clock:
    """What `time.time()` says."""

    now_s: float = NOW


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", lambda: clock.now_s)
    return clock


@pytest.fixture
def reporter(clock: Clock) -> Reporter:
    return Reporter()


def hit(times: int = 1) -> None:
    for _ in range(times):
        count_local_hit(KEY)


def test_totals_are_told_once_and_found_by_minute_and_by_hour(reporter: Reporter, clock: Clock) -> None:
    hit(3)
    reporter.report()
    reporter.report()
    clock.now_s += 3 * 60
    hit(2)
    INVALIDATIONS.labels("api").inc(4)
    reporter.report()
    last_hour = Series.read(Span.HOUR)
    assert (last_hour.step_seconds, len(last_hour.starts_s)) == (60, 60)
    assert [counts.get("reads:L1") for counts in last_hour.counts[-4:]] == [3, None, 2, None], (
        "it was counted before now"
    )
    assert last_hour.totals("invalidations") == {"api": 4}
    for span in (Span.DAY, Span.WEEK):
        assert Series.read(span).total("reads:L1") == 5
    clock.now_s += 7200
    assert Series.read(Span.HOUR).total("reads:L1") == 0
    assert Series.read(Span.DAY).total("reads:L1") == 5
    clock.now_s += DAY_SECONDS
    assert Series.read(Span.DAY).total("reads:L1") == 0
    assert Series.read(Span.WEEK).total("reads:L1") == 5


def test_two_processes_add_up(clock: Clock) -> None:
    one, other = Reporter(), Reporter()
    hit(2)
    one.report()
    other.report()  # in one process both see the same counters, as two processes would with counters of their own
    assert Series.read(Span.HOUR).total("reads:L1") == 4
    assert activity_of().hits_today == 2


@pytest.mark.parametrize("arrives", [True, False])
def test_a_report_without_an_answer_is_sent_again_and_counts_once(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch, arrives: bool
) -> None:
    def told_without_an_answer(keys: list[str], arguments: list[object]) -> bool:
        if arrives:
            told(keys, arguments)
        raise CacheUnavailable("Too slow.", refused=False)

    told = reporting.report_counts
    hit(5)
    with monkeypatch.context() as silent:
        silent.setattr(reporting, "report_counts", told_without_an_answer)
        with pytest.raises(CacheUnavailable):
            reporter.report()
    hit(1)
    reporter.report()
    assert Series.read(Span.HOUR).total("reads:L1") == 5
    reporter.report()
    assert Series.read(Span.HOUR).total("reads:L1") == 6
    assert activity_of().hits_today == 6


EXPIRED, INVALIDATED, RENEWED = {"expired": 1}, {"invalidated": 1}, {"renewed": 1}
LIVES: dict[str, tuple[str, tuple[Any, ...], dict[str, int], dict[str, int]]] = {
    "read": ("stored, told, +60, 4 hits, told", (4, 4, NOW, None, None), {}, {}),
    "invalidated": ("stored, told, +60, 4 hits, invalidated, told", (4, None, None, NOW + 60, "api"), INVALIDATED, {}),
    "nearly over": ("stored, told, +299, else, told", (0, 0, NOW, None, None), {}, {}),
    "expired": ("stored, 3 hits, told, +301, else, told", (3, None, None, None, None), EXPIRED, {}),
    "expired unread": ("stored, told, +301, else, told", (0, None, None, None, None), EXPIRED, EXPIRED),
    "renewed": ("stored, 2 hits, told, +290, stored, told", (2, 0, NOW + 290, None, None), RENEWED, {}),
    "older": ("+10, stored, told, -5, invalidated, +60, told", (0, 0, NOW + 10, NOW + 5, "api"), {}, {}),
    "written": ("stored, told, 2 hits, invalidated, stored, told", (2, 2, NOW, NOW, "api"), INVALIDATED, {}),
    "replaced": ("stored, told, +9, invalidated, stored, told", (0, 0, NOW + 9, NOW + 9, "api"), *[INVALIDATED] * 2),
}
"""What happens to an entry, what is known of it then, and of all: how lives ended, and those of what nobody read."""


@pytest.mark.parametrize("life", LIVES)
def test_an_entry_s_life_is_followed_and_that_it_expires_noticed_though_nobody_asks_for_it_again(
    reporter: Reporter, clock: Clock, life: str
) -> None:
    events, activity, ended, unread = LIVES[life]
    for event in events.split(", "):
        match event.split():
            case ["stored"]:
                note_stored([KEY])
            case [hits, "hits"]:
                hit(int(hits))
            case ["invalidated"]:
                note_invalidated([KEY], "api")
            case ["else"]:
                INVALIDATIONS.labels("api").inc()
            case ["told"]:
                reporter.report()
            case [seconds]:
                clock.now_s += int(seconds)
    assert activity_of() == activity
    assert Series.read(Span.HOUR).totals("ended") == ended
    assert Series.read(Span.HOUR).totals("unread") == unread


def test_what_is_kept_of_entries_is_bounded(
    reporter: Reporter, monkeypatch: pytest.MonkeyPatch, redis_client: Redis
) -> None:
    monkeypatch.setattr(reporting, "MAX_ENTRIES", 5)
    for number in range(9):
        count_local_hit(f"key_{number}")
        note_stored([f"key_{number}"])
        note_invalidated([f"key_{number}"], "api")
    reporter.report()
    day = hits_key(NOW)
    assert redis_client.hlen(day) == 5
    assert redis_client.hlen(analytics_key("invalidated")) == 5
    assert redis_client.zcard(analytics_key("stored")) <= 5
    assert Series.read(Span.HOUR).total("reads:L1") == 9


def test_many_entries_are_told_in_batches_and_the_totals_once(reporter: Reporter) -> None:
    codes = [f"key_{number}" for number in range(2 * BATCH_KEYS + 1)]
    for code in codes:
        count_local_hit(ENTITY.key(code))
    reporter.report()
    assert {found.hits_today for found in EntryActivity.read(ENTITY, codes).values()} == {1}
    assert Series.read(Span.HOUR).total("reads:L1") == len(codes)


def test_everything_that_is_kept_ends_by_itself(reporter: Reporter, redis_client: Redis) -> None:
    hit()
    note_stored([KEY])
    note_invalidated(["entity:metadata:task"], "api")
    reporter.report()
    kept = {key: redis_client.ttl(key) for key in redis_client.keys("{cache_layer:analytics}:*")}
    assert len(kept) == 8
    assert all(0 < ttl <= 7 * DAY_SECONDS + 3600 for ttl in kept.values()), kept


def test_a_step_without_reads_is_reported_and_one_that_nobody_reported_is_unknown(
    reporter: Reporter, clock: Clock
) -> None:
    clock.now_s += 60
    reporter.report()
    clock.now_s += 120
    hit()
    reporter.report()
    clock.now_s += 1
    hour = Series.read(Span.HOUR)
    assert [bool(counts) for counts in hour.counts[-4:]] == [True, False, True, False]
    assert hour.counts[-4].get("reads:L1", 0) == 0
    assert hour.whole().starts_s == (NOW, NOW + 120)
    clock.now_s = NOW + 180 + 0.4
    assert hour.whole().starts_s == (NOW,), "others may be about to report it"


def test_while_somebody_looks_each_moment_is_told_and_longer_times_are_no_moments(
    reporter: Reporter, clock: Clock
) -> None:
    clock.now_s += 40
    hit(100)
    reporter.report()
    for _ in range(4):
        clock.now_s += 2
        hit(100)
        reporter.report()
    clock.now_s += 1
    moments = Series.read(Span.NOW).whole()
    assert [counts["reads:L1"] for counts in moments.counts] == [100] * 4
    assert moments.seconds == 8
    assert Series.read(Span.HOUR).total("reads:L1") == 500


def test_hit_ratio_and_percentiles(reporter: Reporter) -> None:
    empty = Series.read(Span.HOUR)
    assert (empty.hit_ratio(), empty.percentile_seconds("answer_seconds", 0.5)) == (None, None)
    series = Series(60, (0,), ({"reads:L1": 6, "reads:L2": 3, "reads:DB": 1},))
    assert series.hit_ratio() == 0.9
    for seconds in [0.002] * 98 + [0.3, 60.0]:
        ANSWER_SECONDS.labels("L2").observe(seconds)
    ANSWER_SECONDS.labels("DB").observe(0.004)
    reporter.report()
    series = Series.read(Span.HOUR)
    percentiles = [series.percentile_seconds("answer_seconds", part) for part in (0.5, 0.985, 1.0)]
    assert percentiles[:2] == pytest.approx([0.00176, 0.2], rel=0.3)
    assert percentiles[2] == float("inf")


def test_percentiles_of_reads_weigh_the_few_replays_that_are_timed(reporter: Reporter) -> None:
    for seconds in [0.000006] * 3 + [0.000020]:
        count_replay_time(int(seconds * 1e9))
    for _ in range(96):
        count_replay(())
    for seconds in [0.0004] * 3 + [0.09]:
        ANSWER_SECONDS.labels("L2").observe(seconds)
    ANSWER_SECONDS.labels("none").observe(4.0)
    reporter.report()
    series = Series.read(Span.HOUR)
    found = [series.read_percentile_seconds(part) for part in (0.5, 0.95, 0.98, 1.0)]
    assert found == pytest.approx([0.000006, 0.00002, 0.0004, 0.09], rel=0.35)


def test_a_percentile_lies_where_its_bucket_says() -> None:
    assert percentile_of({0.001: 50, 0.002: 100, float("inf"): 100}, 0.75) == 0.0015
    assert percentile_of({0.001: 0, float("inf"): 3}, 0.5) == float("inf")
    assert percentile_of({float("inf"): 0}, 0.5) is None


HOSTILE = [
    b"NaN",
    b"inf",
    b"1e400",
    b"9" * 400,
    b"-1",
    b"",
    b"<b>",
    b"\xff",
    b"99999999999999 api",
    b"1 \xff",
    b"5 <b>",
]


def test_what_others_put_among_the_counts_is_passed_over(
    reporter: Reporter, clock: Clock, redis_client: Redis, subtests: pytest.Subtests
) -> None:
    hit(3)
    ANSWER_SECONDS.labels("L1").observe(0.001)
    reporter.report()
    before = Series.read(Span.HOUR), Series.read(Span.HOUR).percentile_seconds("answer_seconds", 0.5)
    for hostile in HOSTILE:
        with subtests.test(hostile=hostile):
            for step in (MINUTE_SECONDS, HOUR_SECONDS):
                key = totals_key(step, NOW)
                redis_client.hset(key, hostile, 5)
                redis_client.hset(key, "reads:L2", hostile)
                redis_client.hset(key, b"answer_seconds:L1:" + hostile, 5)
            found = Series.read(Span.HOUR)
            assert found.percentile_seconds("answer_seconds", 0.5) == before[1]
            assert found.totals("reads") | {"L2": 0} == before[0].totals("reads") | {"L2": 0}
            for key in (hits_key(NOW), analytics_key("hits"), analytics_key("invalidated")):
                redis_client.hset(key, KEY, hostile)
            redis_client.zadd(analytics_key("stored"), {KEY: float("inf")})
            assert activity_of() == (0, None, None, None, None)
