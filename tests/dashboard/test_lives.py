"""The hint about the TTL says what the lives of entries say, and no more."""

from __future__ import annotations

import pytest
from django.test import Client
from redis import Redis

from cache_layer.activity import note_invalidated, note_stored
from cache_layer.counting.analytics import Series
from cache_layer.counting.reporting import report_activity
from cache_layer.keys import analytics_key
from entities.cache.wording import about
from entities.dashboard.lives import Lives, advise
from tests.dashboard.conftest import count_reads, figures


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
