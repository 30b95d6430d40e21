"""A crowd of different people behind the express lane: nobody is ever given what Django would not have given them."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from rest_framework_simplejwt.tokens import AccessToken

from pmo.people.tokens import sign_in, sign_out
from tests.api.conftest import make_user
from tests.api.test_express_lane import TYPE, TYPES, Answer, Server
from tests.conftest import make_entity, make_linked
from tests.sign_on import SECRET, shared_token, trusted

REQUESTS: list[dict[str, str]] = [
    {"path": TYPE},
    {"path": TYPES},
    {"path": TYPE, "REQUEST_METHOD": "HEAD"},
    {"path": f"{TYPE}?children=true"},
    {"path": f"{TYPES}?codes=task,project"},
    {"path": f"{TYPES}?include_inactive=true"},
    {"path": f"{TYPE}?include_inactive=true"},
    {"path": TYPE, "HTTP_IF_NONE_MATCH": "*"},
    {"path": TYPES, "HTTP_ACCEPT_ENCODING": "gzip"},
    {"path": TYPES, "HTTP_ACCEPT_ENCODING": "zstd"},
    {"path": TYPE, "HTTP_COOKIE": "sessionid=x; csrftoken=y"},
    {"path": "/api/v1/entity/type/hidden"},
    {"path": "/api/v1/entity/cache", "REQUEST_METHOD": "DELETE", "QUERY_STRING": "misspelt=true"},
    {"path": "/api/v1/entity", "REQUEST_METHOD": "POST", "CONTENT_LENGTH": "0", "CONTENT_TYPE": "application/json"},
]


@pytest.fixture
def crowd(committed_db: None) -> Iterator[dict[str, str]]:
    """What each of them sends as `Authorization`: people with tokens of ours, and with the sign-on's."""
    make_linked("task", project="task")
    for number in range(8):
        make_entity(f"type_{number}")
    make_entity("hidden", active_flag=False)
    people = {
        "reader": make_user("reader"),
        "editor": make_user("editor", "add", "change", "delete"),
        "staff": make_user("staff", is_staff=True),
        "superuser": make_user("root", is_superuser=True),
        "deactivated": make_user("gone", is_active=False),
    }
    expired, foreign, ahead, far_ahead = (AccessToken.for_user(people["reader"]) for _ in range(4))
    expired.set_exp(lifetime=timedelta(seconds=-1))
    ahead.set_iat(at_time=ahead.current_time + timedelta(seconds=3))
    far_ahead.set_iat(at_time=ahead.current_time + timedelta(hours=1))
    refresh = sign_in(people["editor"])
    ended = refresh.access_token
    sign_out(refresh)
    tokens = {name: str(sign_in(user).access_token) for name, user in people.items()}
    tokens |= {"of a clock ahead": str(ahead), "of a clock far ahead": str(far_ahead)}
    tokens |= {"expired": str(expired), "logged out": str(ended), "signed by others": f"{foreign}"[:-2] + "xx"}
    call_command("end_tokens", "ended")
    names = ("guest", "another guest", "editor", "root", "gone", "ended")
    tokens |= {f"{name} of the sign-on": shared_token(name) for name in names}
    tokens["expired, of the sign-on"] = shared_token("editor", exp=int(time.time()) - 1)
    with trusted(SIGN_ON_SECRET=SECRET):
        yield {name: f"Bearer {token}" for name, token in tokens.items()} | {"nobody": ""}


def told(answer: Answer) -> Any:
    """What was said, but for where it came from."""
    headers = sorted((name, value) for name, value in answer.headers if name != "X-Cache")
    return answer.status, headers, answer.body


def test_the_lane_says_to_each_of_a_crowd_what_django_says(
    crowd: dict[str, str], set_options: Callable[..., None]
) -> None:
    server, rng = Server(), random.Random(20)
    asked = [(name, number) for name in crowd for number in range(len(REQUESTS))]
    wrong, by_lane = [], 0
    for lease_ms in (20, 2_000):
        set_options(local_lease_ms=lease_ms)
        rng.shuffle(asked)
        for name, number in asked:
            request = {"HTTP_AUTHORIZATION": crowd[name]} | REQUESTS[number]
            before = server.django.asked
            said = server.ask(**request)
            by_lane += server.django.asked == before
            if told(said) != told(server.ask(directly=True, **request)):
                wrong.append((name, REQUESTS[number]))
    assert wrong == []
    assert by_lane > 20, "it answers many itself"


def test_an_answer_is_kept_once_for_a_crowd(crowd: dict[str, str], set_options: Callable[..., None]) -> None:
    server = Server()
    users = [make_user(f"user_{number}") for number in range(20)]
    set_options(local_lease_ms=2_000)
    tokens = [f"Bearer {AccessToken.for_user(user)}" for user in users]
    for token in tokens:
        assert server.ask(HTTP_AUTHORIZATION=token).status == "200 OK"
    assert len(server.lane.store) == 1 + len(tokens)
    asked = server.django.asked
    for path in (TYPE, TYPES):
        for token in tokens:
            server.ask(path, HTTP_AUTHORIZATION=token)
    assert server.django.asked == asked + 1, "once for the list"
