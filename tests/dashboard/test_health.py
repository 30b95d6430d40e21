"""One health for `/health`, the dashboard's first line, `cache_status` and the alerts, and lasting incidents."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils.timezone import now
from redis import Redis

from cache_layer.counting.analytics import Series, Span
from cache_layer.counting.incidents import Sighting, Sightings, read_incidents, read_left, sightings
from cache_layer.inspect import health, problems
from cache_layer.inspect.health import Health
from cache_layer.inspect.problems import COUNTED, NAMES, TITLES, find_counted
from cache_layer.keys import analytics_key, totals_key
from cache_layer.models import Incident
from cache_layer.upkeep.turn import is_taken, own_turn
from tests.dashboard.conftest import add_late_change, figures
from tests.platform.test_monitoring import RULES
from tests.waiting import wait_for

NOW = float(int(time.time()))
NOT_SEEN_BY_ONE_SERVER = {
    "RelayLagHigh",  # a percentile over time
    "AnswersSlow",  # as well
    "AuditOverdue",  # the relay's own gauge
    "BreakerOpen",  # of any process of a server
    "RedisEvicting",  # by how much a figure of Redis grows
    "MetricsMissing",  # Prometheus' own
    "ServersVanished",  # as well
}


@pytest.fixture(autouse=True)
def _nothing_seen() -> Iterator[None]:
    sightings.forget()
    yield
    sightings.forget()


def test_every_problem_is_an_alert_and_every_alert_that_one_server_can_see_a_problem() -> None:
    assert set(TITLES) | NOT_SEEN_BY_ONE_SERVER == {rule["alert"] for rule in RULES}
    outbox = next(rule for rule in RULES if rule["alert"] == "OutboxStuck")
    assert outbox["expr"].endswith(f"> {problems.LATE_SECONDS}")


def test_page_command_and_address_say_the_same(viewer: Client) -> None:
    assert (Health.look().headline, figures(viewer)["health"]["headline"]) == ("Healthy", "Healthy")
    add_late_change(90)
    answered = viewer.get("/health").json()
    shown = figures(viewer)["health"]
    said, noted = StringIO(), StringIO()
    call_command("cache_status", stdout=said)
    call_command("cache_status", "--json", stdout=noted)
    as_json = json.loads(noted.getvalue())["health"]
    assert answered["status"] == as_json["status"] == "degraded"
    assert [each["name"] for each in answered["problems"]] == [each["name"] for each in as_json["problems"]]
    assert answered["problems"][0]["name"] == "OutboxStuck"
    assert shown["headline"].startswith("1 committed change has not reached the cache yet")
    without_time = re.compile(r" \d\d:\d\d:\d\d UTC")
    assert without_time.sub("", shown["headline"]) == without_time.sub("", as_json["headline"])
    assert shown["headline"][:60] in said.getvalue()


def test_without_redis_a_waiting_change_is_not_blamed_on_the_relay(viewer: Client, redis_down: None) -> None:
    add_late_change(90)
    shown = figures(viewer)["health"]
    assert shown["headline"].startswith("Redis does not answer")
    assert shown["level"] == "error"
    assert shown["others"][0].endswith("They are delivered as soon as Redis replies.")
    assert "relay" not in json.dumps(figures(viewer)["notices"] + shown["others"])


@pytest.mark.django_db(transaction=True)
def test_whether_somebody_relays_is_seen_without_taking_the_turn() -> None:
    assert not is_taken("default")
    with own_turn("default"):
        assert is_taken("default")
    wait_for(lambda: not is_taken("default"))  # PostgreSQL ends the session in its own time


def test_counters_of_the_last_minutes_are_problems_since_their_first() -> None:
    starts = tuple(int(NOW) + 60 * minute for minute in range(61))
    for each in COUNTED:
        counts: list[dict[str, int]] = [{} for _ in range(61)]
        counts[60][each.counter] = counts[59][each.counter] = 2
        counts[60 - each.minutes][each.counter] = 5  # before the time it is told for
        (found,) = find_counted(Series(60, starts, tuple(counts)))
        assert (found.name, found.seen and found.seen.began_s) == (each.name, starts[59])
        assert re.search(r"\b4\b", found.text)
    busy = {"reads:DB": 300, "reads:L1": 100, "answer_errors": 3, "replays": 10}
    assert {found.name for found in find_counted(Series(60, starts, (busy,) * 61))} == {"HitRatioLow", "AnswersFailing"}


def test_of_what_is_counted_only_what_is_looked_at_is_read(redis_client: Redis) -> None:
    names = [*(each.counter for each in COUNTED), "answer_errors", "replays", "answer_seconds:none:+Inf"]
    for source in ("L1", "L2", "DB", "BYPASS", "STALE"):
        names += [f"reads:{source}", f"answer_seconds:{source}:+Inf"]
    redis_client.hset(totals_key(60, time.time()), mapping=dict.fromkeys([*names, "reports", "holds"], 500))
    whole, read = Series.read(Span.HOUR), Series.read(Span.HOUR, NAMES)
    assert (whole.counts[-1]["holds"], read.counts[-1].get("holds")) == (500, None)
    found = [each[:3] for each in find_counted(whole)]
    assert len(found) == len(COUNTED) + 2
    assert [each[:3] for each in find_counted(read)] == found


def written(*seen: dict[str, Sighting]) -> list[tuple[str, Sighting]]:
    for each in seen:
        server = Sightings()
        server.see(each)
        server.write(using="default")
    return read_incidents(9, using="default")


@pytest.mark.django_db
def test_several_servers_make_one_incident_and_a_later_one_another() -> None:
    Incident.objects.all().delete()  # what a server of another test saw as it ended
    long_ago = now() - timedelta(days=91)
    Incident.objects.create(name="HoldsLost", began_ts=long_ago, seen_ts=long_ago)  # forgotten by now
    first = written(
        {"RedisDown": Sighting(NOW, NOW + 20)},
        {"RedisDown": Sighting(NOW - 2, NOW + 4)},
        {"RedisDown": Sighting(NOW + 28, NOW + 30)},
        {"DatabaseDown": Sighting(NOW, NOW)},
    )
    assert first == [("RedisDown", Sighting(NOW - 2, NOW + 30)), ("DatabaseDown", Sighting(NOW, NOW))]
    assert [name for name, _ in written({"RedisDown": Sighting(NOW + 60, NOW + 61)})].count("RedisDown") == 2


@pytest.mark.django_db(transaction=True)
def test_what_was_seen_without_postgresql_outlives_the_process_in_redis(
    without_database: Callable[[], None], redis_client: Redis
) -> None:
    host = connection.settings_dict["OPTIONS"]["host"]
    without_database()
    dead = Sightings()
    for moment in (NOW, NOW + 2, NOW + 4):
        dead.see({"DatabaseDown": Sighting(moment, moment)})
        dead.write(using="default")
    assert dead.unwritten, "it stays until PostgreSQL has it"
    assert read_left() == {"DatabaseDown": Sighting(NOW, NOW + 4)}
    connection.settings_dict["OPTIONS"]["host"] = host
    connection.close()
    assert written({}) == [("DatabaseDown", Sighting(NOW, NOW + 4))]
    assert written({}) == [("DatabaseDown", Sighting(NOW, NOW + 4))], "writing it twice changes nothing"
    redis_client.set(analytics_key("incidents"), "[1]")
    assert written({"RedisDown": Sighting(NOW, NOW)}), "what others have put there is passed over"


@pytest.mark.django_db
def test_an_outage_is_seen_since_its_first_look_and_stays_in_the_last_incidents(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Incident.objects.all().delete()  # as above
    answers = [False, False, True]
    clock = [time.time() - 60]
    monkeypatch.setattr(health, "is_redis_healthy", lambda: answers[0])
    monkeypatch.setattr(health.time, "time", lambda: clock[0])
    began = clock[0]
    Health.look(note=True)
    sightings.write(using="default")
    sightings.forget()  # the process ends
    clock[0] += 9
    answers.pop(0)
    looked = Health.look(note=True)
    assert looked.problems[0].since_s == pytest.approx(began, abs=0.001)
    assert looked.incidents[0].words.endswith("until now")
    sightings.write(using="default")
    clock[0] += 1
    answers[:] = [True]
    looked = Health.look(note=True)
    assert looked.problems == []
    assert looked.incidents[0].words.startswith("Redis down ")
    assert " to " in looked.incidents[0].words
    assert Incident.objects.filter(name="RedisDown").count() == 1
