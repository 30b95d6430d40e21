"""Tokens of the platform's own sign-on: who may read and write by them, and what ends them, and its keys."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from time import monotonic_ns
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from cache_layer.deadline import left_seconds, working_within
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.reading.reads import read_entry
from cache_layer.serving.express import Admission
from cache_layer.upkeep.audit import audit_cache
from cache_layer.upkeep.relay import relay_changes
from cache_layer.writing.outbox import Backlog
from pmo.lookups import NAME, TOKEN_END
from pmo.models import TokenEnd
from pmo.people import sign_on_keys
from pmo.people.admissions import RECHECK_SECONDS
from pmo.people.sign_on import start_fetching
from pmo.people.sign_on_keys import KeysUnknown, ServedKeys
from pmo.people.tokens import sign_in
from tests.api.conftest import PROJECT, bearing, client_of, make_user
from tests.api.test_express_lane import Server
from tests.conftest import make_entity, sql
from tests.platform.test_people import Person
from tests.sign_on import (
    AUDIENCE,
    SECRET,
    SERVED_SECRET,
    Served,
    claims_of,
    key_file,
    public_pem,
    serving_keys,
    shared_token,
    signed_token,
    trusted,
)
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("committed_db")

TYPES, ME, PATCH = "/api/v1/entity/types", "/api/v1/auth/me", "/api/v1/entity/project"


@pytest.fixture
def shared(committed_db: None) -> Iterator[None]:
    make_entity("project")
    with trusted(SIGN_ON_SECRET=SECRET):
        yield


WAYS: dict[str, tuple[Callable[[Path], Any], Callable[..., str]]] = {
    "a shared secret": (lambda _: trusted(SIGN_ON_SECRET=SECRET), shared_token),
    "a file of RSA keys": (
        lambda directory: trusted(SIGN_ON_PUBLIC_KEY_FILE=key_file(directory, "other", "first")),
        signed_token,
    ),
    "a file of an EC key": (
        lambda directory: trusted(SIGN_ON_PUBLIC_KEY_FILE=key_file(directory, "first", kind="ES256")),
        lambda name, **claims: signed_token(name, kind="ES256", **claims),
    ),
}


@contextlib.contextmanager
def trusting_served_keys() -> Iterator[None]:
    with serving_keys() as served, trusted(SIGN_ON_JWKS_URL=served.url):
        yield


WAYS["keys at an address"] = (lambda _: trusting_served_keys(), signed_token)


@pytest.mark.parametrize("way", WAYS)
def test_whom_the_sign_on_knows_may_read_and_who_has_the_permission_here_may_write(way: str, tmp_path: Path) -> None:
    trusting, issue = WAYS[way]
    make_entity("project")
    ada = make_user("ada", "change")
    with trusting(tmp_path):
        guest, known = bearing(issue("somebody", is_staff=True, is_superuser=True)), bearing(issue("ada"))
        assert [client.get(TYPES).status_code for client in (guest, known)] == [200, 200]
        assert [client.patch(PATCH, {"label": "New"}).status_code for client in (guest, known)] == [403, 200]
        assert guest.post("/api/v1/entity", PROJECT).status_code == 403
        assert guest.delete("/api/v1/entity/cache").status_code == 403
        me = guest.get(ME).json()
        assert 590 > RECHECK_SECONDS >= me.pop("expires_in")
        assert me == {"username": "somebody", "is_staff": False, "is_superuser": False, "may": ["read"]}
        assert known.get(ME).json()["may"] == ["read", "change"]
        assert client_of(ada).get(TYPES).status_code == 200, "ours go on"
        answer = known.post("/api/v1/auth/logout")
        assert (answer.status_code, answer.json()["code"]) == (400, "no_login")
    assert known.get(TYPES).status_code == 401, "nobody trusts it any more"


REFUSED: dict[str, Callable[[], str]] = {
    "signed by others": lambda: jwt.encode(claims_of("ada"), "another secret, and as long as the one", "HS256"),
    "not signed": lambda: jwt.encode(claims_of("ada"), None, "none"),
    "by another algorithm": lambda: jwt.encode(claims_of("ada"), SECRET * 2, "HS512"),
    "by a key": lambda: signed_token("ada"),
    "of another issuer": lambda: shared_token("ada", iss="https://elsewhere.example"),
    "of no issuer": lambda: shared_token("ada", iss=None),
    "for others": lambda: shared_token("ada", aud="others"),
    "for nobody": lambda: shared_token("ada", aud=None),
    "without an end": lambda: shared_token("ada", exp=None),
    "expired just now": lambda: shared_token("ada", exp=int(time.time()) - 1),
    "of a clock far ahead": lambda: shared_token("ada", iat=int(time.time()) + 60),
    "for later": lambda: shared_token("ada", nbf=int(time.time()) + 60),
    "for no time": lambda: shared_token("ada", exp=1e400),
    "of nobody": lambda: shared_token(None),
    "of an empty name": lambda: shared_token(""),
    "of a name with NUL": lambda: shared_token("a\0da"),
    "of half a surrogate pair": lambda: shared_token("\ud800"),
    "of a long name": lambda: shared_token("x" * 256),
    "of several": lambda: shared_token(["ada"]),
    "of true": lambda: shared_token(True),
}


@pytest.mark.usefixtures("shared")
def test_what_the_sign_on_did_not_issue_for_us_is_refused() -> None:
    make_user("ada")
    answers = {what: bearing(issue()).get(ME) for what, issue in REFUSED.items()}
    said = {what: (answer.status_code, answer.json()["code"]) for what, answer in answers.items()}
    assert said == dict.fromkeys(REFUSED, (401, "token_not_valid"))
    for claims in ({}, {"aud": ["others", AUDIENCE]}, {"iat": None}, {"iat": int(time.time()) + 3}):
        assert bearing(shared_token("ada", **claims)).get(TYPES).status_code == 200


def test_a_public_key_is_taken_for_no_secret(tmp_path: Path) -> None:
    pem = public_pem("first")
    forged = [
        jwt.api_jws.PyJWS().encode(json.dumps(claims_of("ada")).encode(), b"x" * 32, "HS256", {"kid": "first"}),
        jwt.encode(claims_of("ada"), None, "none", headers={"kid": "first"}),
        signed_token("ada", "second"),
        signed_token("ada", kind="ES256"),
    ]
    header, payload, _ = forged[0].split(".")
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(f"{header}.{payload}".encode(), pem)
    forged.append(f"{header}.{payload}.{jwt.utils.base64url_encode(mac).decode()}")
    secret = jwt.encode(claims_of("ada"), SERVED_SECRET, "HS256", headers={"kid": "first"})
    with trusted(SIGN_ON_PUBLIC_KEY_FILE=key_file(tmp_path, "first")):
        assert [bearing(token).get(TYPES).status_code for token in forged] == [401] * 5
        assert bearing(signed_token("ada")).get(TYPES).status_code == 200
    with serving_keys() as served, trusted(SIGN_ON_JWKS_URL=served.url):
        assert [bearing(token).get(TYPES).status_code for token in (*forged, secret)] == [401] * 6
        assert bearing(signed_token("ada")).get(TYPES).status_code == 200


def test_another_claim_may_say_whose_a_token_is() -> None:
    make_entity("project")
    make_user("7", "change")
    with trusted(SIGN_ON_SECRET=SECRET, SIGN_ON_USER_CLAIM="https://example.org/person"):
        for number in ("7", 7):
            token = shared_token({"any": "thing"}, **{"https://example.org/person": number})
            assert bearing(token).patch(PATCH, {"label": f"New {number!r}"}).status_code == 200
        assert bearing(shared_token("7")).get(TYPES).status_code == 401


@pytest.mark.usefixtures("shared")
def test_a_crowd_of_them_asks_the_database_nothing(set_options: Callable[..., None]) -> None:
    make_user("user_0")
    set_options(local_lease_ms=2_000)
    tokens = [f"Bearer {shared_token(f'user_{number}')}" for number in range(20)]
    server = Server()
    for token in tokens:
        assert server.ask(HTTP_AUTHORIZATION=token).status == "200 OK"
    asked = server.django.asked
    with CaptureQueriesContext(connection) as queries:
        for _ in range(3):
            assert {server.ask(HTTP_AUTHORIZATION=token).status for token in tokens} == {"200 OK"}
        assert server.django.asked == asked, "nor Django"
        drop_all_copies()
        started = Server(get_wsgi_application())
        assert {started.ask(HTTP_AUTHORIZATION=token).status for token in tokens} == {"200 OK"}
    assert len(queries) == 0, "nor does a server that has just started"


@pytest.mark.usefixtures("shared")
def test_what_is_known_of_a_token_ends_with_it_and_is_looked_at_again_before() -> None:
    for seconds, left in ((30, 30), (3_600, RECHECK_SECONDS)):
        server = Server()
        server.ask(HTTP_AUTHORIZATION=f"Bearer {shared_token('ada', exp=int(time.time()) + seconds)}")
        (admission,) = (item for item in server.lane.store._items.values() if isinstance(item, Admission))
        assert left - 5 < (admission.until_ns - monotonic_ns()) / 1e9 <= left


@pytest.fixture
def ada(shared: None) -> Person:
    """Somebody whom the sign-on knows, and a user who may change entity types."""
    found = Person(make_user("ada", "change"), shared_token("ada"))
    found.make_known()
    return found


ENDS: dict[str, tuple[Callable[[Person], Any], tuple[int, int]]] = {
    "ended by name": (lambda _: call_command("end_tokens", "ada"), (401, 401)),
    "ended in bulk": (
        lambda ada: TokenEnd.objects.bulk_create([TokenEnd(name="ada", ended_ts=ada.user.date_joined)]),
        (401, 401),
    ),
    "deactivated": (lambda _: User.objects.filter(username="ada").update(is_active=False), (401, 401)),
    "without the permission": (lambda ada: ada.user.user_permissions.clear(), (200, 403)),
    "deleted": (lambda ada: ada.user.delete(), (200, 403)),
    "renamed": (lambda _: User.objects.filter(username="ada").update(username="bea"), (200, 403)),
}


@pytest.mark.parametrize("what", ENDS)
def test_what_ends_or_changes_one_of_them_is_in_force_when_it_returns(
    ada: Person, set_options: Callable[..., None], what: str
) -> None:
    set_options(local_lease_ms=200)  # no copy lapses because the machine is busy
    others = [shared_token(f"other_{number}") for number in range(3)]
    for _ in range(2):
        assert [ada.read(token) for token in others] == [200] * 3
    end, then = ENDS[what]
    end(ada)
    assert (ada.read(), ada.change()) == then
    assert Backlog.measure(using="default").changes == 0, "and nobody else need be told"
    asked = ada.server.django.asked
    assert [ada.read(token) for token in others] == [200] * 3
    assert ada.server.django.asked == asked, "what is known of others stays"


def test_a_name_that_a_user_gets_has_their_rights_when_that_returns(ada: Person) -> None:
    token = shared_token("bea")
    assert bearing(token).patch(PATCH, {"label": "Theirs"}).status_code == 403
    bea = User.objects.create_user("bea")
    bea.user_permissions.add(Permission.objects.get(codename="change_entity"))
    assert bearing(token).patch(PATCH, {"label": "Theirs"}).status_code == 200


SQL = {
    "INSERT INTO token_end VALUES ('ada', now())": (401, 401),
    "UPDATE auth_user SET is_active = false": (401, 401),
    "UPDATE auth_user SET username = 'bea'": (200, 403),
    "DELETE FROM auth_user_user_permissions; DELETE FROM auth_user": (200, 403),
}


@pytest.mark.parametrize("statement", SQL)
def test_what_sql_changes_of_them_is_in_force_when_it_was_relayed(ada: Person, statement: str) -> None:
    sql(statement)
    relay_changes()
    drop_all_copies()  # the relay waits for nobody
    assert (ada.read(), ada.change()) == SQL[statement]


def test_who_was_ended_by_name_may_log_in_again(ada: Person, capsys: pytest.CaptureFixture[str]) -> None:
    ours = str(sign_in(ada.user).access_token)
    undated = shared_token("ada", iat=None)
    assert (ada.read(ours), ada.read(undated)) == (200, 200)
    call_command("end_tokens", "ada", "nobody")
    assert capsys.readouterr().out == "The tokens of ada have ended.\nThe tokens of nobody have ended.\n"
    ahead = shared_token("ada", iat=int(time.time()) + 3)  # issued before, by a clock that is ahead
    assert [ada.read(token) for token in (ours, undated, ahead)] == [401, 401, 401]
    TokenEnd.objects.filter(name="ada").update(ended_ts="2026-01-01T00:00:00Z")
    assert ada.read(shared_token("ada")) == 200
    assert ada.read(str(sign_in(ada.user).access_token)) == 200
    with pytest.raises(CommandError, match="nothing was ended"):
        call_command("end_tokens", "x" * 256)


def test_what_redis_says_of_a_name_is_believed_for_no_other(ada: Person, redis_client: Any) -> None:
    ada.read(shared_token("bea"))
    call_command("end_tokens", "ada")
    ada.read()
    for lookup in (NAME, TOKEN_END):
        redis_client.set(lookup.key("ada"), redis_client.get(lookup.key("bea")))
    drop_all_copies()
    assert ada.read() == 401
    assert read_entry(NAME, "ada").document.user == ada.user.pk  # type: ignore[union-attr] # there is one
    assert audit_cache().mismatches == ()


def test_our_own_secret_is_not_the_sign_ons() -> None:
    assert SECRET != settings.SECRET_KEY
    with trusted(SIGN_ON_SECRET=SECRET):
        ours = jwt.encode(claims_of("ada"), str(settings.SECRET_KEY), "HS256")
        theirs = jwt.encode(claims_of("ada", user_id="1", token_type="access", jti="x"), SECRET, "HS256")
        assert bearing(ours).get(TYPES).status_code == 401
        assert bearing(theirs).get(ME).json()["username"] == "ada"


@pytest.fixture
def served() -> Iterator[Served]:
    with serving_keys() as found, trusted(SIGN_ON_JWKS_URL=found.url):
        yield found


def ask(token: str) -> Any:
    return APIClient().get(TYPES, headers={"Authorization": f"Bearer {token}"})


def test_keys_are_there_before_the_first_token(served: Served) -> None:
    start_fetching()
    wait_for(lambda: settings.SIGN_ON.keys.keys)
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
