"""A token's verdict: kept for a second, so that a read asks the database nothing, and never longer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from pytest_django import DjangoAssertNumQueries
from rest_framework_simplejwt.tokens import AccessToken

from pmo.authentication import Verdicts, verdicts
from tests.api.conftest import client_of, make_user
from tests.conftest import make_entity

TYPES = "/api/v1/entity/types"
CACHE = "/api/v1/entity/cache/project"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(verdicts, "clock", clock)
    yield clock
    verdicts.forget()


@pytest.fixture
def user(db: None) -> User:
    return make_user()


def token() -> AccessToken:
    return AccessToken()


def test_a_read_within_a_second_asks_nothing_about_the_user(
    user: User, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of(user)
    make_entity("project")
    client.get(TYPES)
    clock.now += 0.999
    with django_assert_num_queries(1):  # the list itself: what this test's open transaction sees is not cached
        assert client.get(TYPES).status_code == 200


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "changed"}, None])
def test_a_user_who_is_gone_is_refused_a_second_later(user: User, clock: Clock, change: dict[str, Any] | None) -> None:
    client = client_of(user)
    assert client.get(TYPES).status_code == 200
    if change is None:
        user.delete()
    else:
        User.objects.update(**change)
    clock.now += 1.0
    assert client.get(TYPES).status_code == 401


def test_a_verdict_is_not_prolonged_by_its_use(user: User, clock: Clock) -> None:
    client = client_of(user)
    client.get(TYPES)
    User.objects.update(is_active=False)
    clock.now += 0.6
    assert client.get(TYPES).status_code == 200
    clock.now += 0.6
    assert client.get(TYPES).status_code == 401


def test_permissions_live_no_longer_than_the_verdict(user: User, clock: Clock) -> None:
    client = client_of(user)
    client.get(TYPES)
    assert not verdicts.find(_header(client)).user.has_perm("entities.add_entity")  # type: ignore[union-attr]
    user.user_permissions.add(Permission.objects.get(codename="add_entity"))
    clock.now += 1.0
    client.get(TYPES)
    assert verdicts.find(_header(client)).user.has_perm("entities.add_entity")  # type: ignore[union-attr]


def test_a_write_asks_about_the_user_itself(user: User, clock: Clock) -> None:
    User.objects.update(is_staff=True)
    client = client_of(user)
    assert client.get(TYPES).status_code == 200
    User.objects.update(is_staff=False)
    assert client.delete(CACHE).status_code == 403


def test_a_token_that_expires_takes_its_verdict_with_it() -> None:
    clock = Clock()
    kept, short = Verdicts(clock), token()
    short["exp"] = short["iat"]
    kept.keep(b"Bearer short", None, short, asked=clock.now)
    assert kept.find(b"Bearer short") is None


def test_the_second_counts_from_before_the_question() -> None:
    clock = Clock()
    kept = Verdicts(clock)
    kept.keep(b"Bearer x", None, token(), asked=clock.now - 0.9)
    clock.now += 0.11
    assert kept.find(b"Bearer x") is None


@pytest.mark.django_db
def test_invalid_tokens_are_not_kept() -> None:
    client = client_of(None)
    for number in range(5):
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {number}")
        client.get(TYPES)
    assert len(verdicts) == 0


def test_at_most_1024_are_kept_and_the_newest_stay() -> None:
    kept = Verdicts(Clock())
    for number in range(1100):
        kept.keep(b"Bearer %d" % number, number, token(), asked=1000.0)
    assert len(kept) == 1024
    assert kept.find(b"Bearer 75") is None
    found = kept.find(b"Bearer 76")
    assert found is not None
    assert found.user == 76


def test_the_token_itself_is_not_kept() -> None:
    kept = Verdicts()
    kept.keep(b"Bearer secret", None, token(), asked=0.0)
    assert b"secret" not in b"".join(kept._by_digest)


def test_threads_may_keep_at_the_same_time() -> None:
    kept = Verdicts(Clock())
    one = token()

    def fill(start: int) -> None:
        for number in range(start, start + 400):
            kept.keep(b"Bearer %d" % number, None, one, asked=1000.0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fill, range(0, 3200, 400)))
    assert len(kept) == 1024


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of processes with threads, from Python 3.12 on
def test_a_forked_child_knows_no_verdicts() -> None:
    verdicts.keep(b"Bearer x", None, token(), asked=verdicts.clock())
    assert len(verdicts) == 1
    child = os.fork()
    if child == 0:
        os._exit(len(verdicts))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    verdicts.forget()


def _header(client: Any) -> bytes:
    header: str = client._credentials["HTTP_AUTHORIZATION"]
    return header.encode()
