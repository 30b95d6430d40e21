"""Keys that the sign-on serves: they change, and the address fails, and nobody who is known waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from cache_layer.deadline import left_seconds, working_within
from pmo.people import sign_on_keys
from pmo.people.sign_on import start_fetching
from pmo.people.sign_on_keys import KeysUnknown, ServedKeys
from tests.api.conftest import make_user
from tests.sign_on import Served, serving_keys, shared_token, signed_token, trusted
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("committed_db")

TYPES = "/api/v1/entity/types"


@pytest.fixture
def served() -> Iterator[Served]:
    with serving_keys() as found, trusted(SIGN_ON_JWKS_URL=found.url):
        yield found


def ask(token: str) -> Any:
    return APIClient().get(TYPES, headers={"Authorization": f"Bearer {token}"})


def test_keys_are_there_before_the_first_token(served: Served) -> None:
    start_fetching()
    wait_for(lambda: settings.SIGN_ON.keys._keys.keys)
    assert ask(signed_token("ada")).status_code == 200
    assert served.asked == 1


def test_a_new_key_is_fetched_when_a_token_names_it(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_on_keys, "COOLDOWN_SECONDS", 0.0)
    assert ask(signed_token("ada")).status_code == 200
    assert ask(signed_token("ada", "second")).status_code == 401
    served.names = ["second"]
    assert ask(signed_token("ada", "second")).status_code == 200
    assert ask(signed_token("ada", "first")).status_code == 401, "it was withdrawn"


def test_a_withdrawn_key_is_noticed_though_nobody_names_another(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_on_keys, "COOLDOWN_SECONDS", 0.0)
    monkeypatch.setattr(sign_on_keys, "FRESH_SECONDS", 0.0)
    assert ask(signed_token("ada")).status_code == 200
    served.names = ["second"]
    wait_for(lambda: ask(signed_token("ada")).status_code == 401)


def test_unknown_keys_and_tokens_of_others_cost_no_fetch_each(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_on_keys, "COOLDOWN_SECONDS", 60.0)
    assert ask(signed_token("ada")).status_code == 200
    for number in range(20):
        assert ask(signed_token("ada", f"unknown_{number % 2}")).status_code == 401
        assert ask(shared_token("ada")).status_code == 401
        assert ask("x.y.z").status_code == 401
    assert served.asked == 1


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how many seconds each request that waited for keys would have gone on waiting."""
    found: list[float] = []

    def note(seconds: float) -> float:
        found.append(left_seconds(seconds))
        return found[-1]

    monkeypatch.setattr(sign_on_keys, "deadline", SimpleNamespace(left_seconds=note))
    return found


@pytest.mark.parametrize("failure", ["an error", "no JSON", "no keys", "silence"])
def test_an_address_that_fails_stops_no_key_that_is_known(
    served: Served, monkeypatch: pytest.MonkeyPatch, patience: list[float], failure: str
) -> None:
    monkeypatch.setattr(sign_on_keys, "COOLDOWN_SECONDS", 0.0)
    monkeypatch.setattr(sign_on_keys, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(sign_on_keys, "WAIT_SECONDS", 0.5)
    assert ask(signed_token("ada")).status_code == 200
    match failure:
        case "an error":
            served.status = 500
        case "no JSON":
            monkeypatch.setattr(served, "document", lambda: b"<html>")
        case "no keys":
            served.names = []
        case _:
            served.answering.clear()
    patience.clear()
    for _ in range(5):
        assert ask(signed_token("ada")).status_code == 200
    assert patience == [], "nobody waits"
    answer = ask(signed_token("ada", "second"))
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "sign_on_unavailable", "2")
    assert ask(signed_token("ada")).status_code == 200


def test_who_waits_for_keys_waits_no_longer_than_the_request_may(served: Served, patience: list[float]) -> None:
    served.answering.clear()
    expired = AccessToken.for_user(make_user("ada"))
    expired.set_exp(lifetime=timedelta(seconds=-1))
    assert ask(str(expired)).status_code == 401, "it is none of the sign-on's"
    assert served.asked == 0
    keys = ServedKeys(served.url)
    with working_within(100), pytest.raises(KeysUnknown):
        keys.find("first")
    (waited,) = patience
    assert waited <= 0.1
    for _ in range(sign_on_keys.PLACES):
        keys._places.acquire()
    with pytest.raises(KeysUnknown):
        keys.find("first")
    assert patience == [waited], "others are left for who is known"
