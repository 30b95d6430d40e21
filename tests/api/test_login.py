"""Login and refresh: who gets a token, who is locked out, and what ends a token."""

import time
import unicodedata
from datetime import timedelta
from typing import Any

import jwt
import psycopg
import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from cache_layer.deadline import working_within
from pmo.models import SignIn
from pmo.people import hashers
from pmo.people.authentication import address_behind_proxy, find_user
from pmo.people.tokens import KNOWN
from pmo.people.tokens import renew as renew_token
from pmo.serve import OPTIONS
from tests.api.conftest import bearing, client_of, make_user
from tests.conftest import sql
from tests.servers import test_database_url

pytestmark = pytest.mark.django_db

LOGIN = "/api/v1/auth/login"
REFRESH = "/api/v1/auth/refresh"
LOGOUT = "/api/v1/auth/logout"
TYPES = "/api/v1/entity/types"
PASSWORD = "correct horse battery staple"
WRONG = {"code": "authentication_failed", "detail": "The user name or the password is wrong.", "errors": {}}


@pytest.fixture
def ada() -> User:
    return make_user("ada", email="Ada@Example.com", password=PASSWORD)


def log_in(name: str, password: str = PASSWORD) -> Any:
    return APIClient().post(LOGIN, {"username": name, "password": password})


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("name", ["ada", "Ada@Example.com", "ada@example.COM"])
def test_user_name_and_address_both_log_in(name: str) -> None:
    answer = log_in(name)
    assert answer.status_code == 200
    assert sorted(answer.json()) == ["expires_in", "refresh", "token"]
    assert answer["Cache-Control"] == "no-store"
    token = AccessToken(answer.json()["token"])
    assert answer.json()["expires_in"] - (token["exp"] - token["iat"]) in (0, 1), "a second may end in between"
    assert bearing(str(token)).get(TYPES).status_code == 200


def test_an_address_may_be_sent_as_one(ada: User) -> None:
    email = "ada@example.COM"

    def log_in_by_email(address: str, password: str = PASSWORD) -> Any:
        return APIClient().post(LOGIN, {"email": address, "password": password})

    assert bearing(log_in_by_email(email).json()["token"]).get(TYPES).status_code == 200
    assert log_in("ADA").json() == WRONG
    for address, password in ((email, "x"), ("nobody@example.com", PASSWORD), ("", PASSWORD)):
        answer = log_in_by_email(address, password)
        assert answer.status_code == (401 if address else 400)
        assert not address or answer.json() == WRONG
    make_user("twin", email="ada@example.com", password=PASSWORD)
    assert log_in_by_email(email).status_code == 401
    AccessAttempt.objects.all().delete()
    with override_settings(AXES_FAILURE_LIMIT=3):
        tried = [log_in("ada@example.com", "x"), log_in_by_email(email, "x"), log_in("ADA@example.com", "x")]
    assert [answer.status_code for answer in tried] == [401, 401, 429], "it gets no tries of its own"


@pytest.mark.parametrize(
    ("permissions", "fields", "may"),
    [
        ((), {}, ["read"]),
        (("change",), {}, ["read", "change"]),
        ((), {"is_staff": True}, ["read", "clear_cache"]),
        ((), {"is_superuser": True}, ["read", "add", "change", "delete"]),
    ],
)
def test_who_asks_is_told_who_they_are_and_what_they_may(
    committed_db: None, permissions: tuple[str, ...], fields: dict[str, bool], may: list[str]
) -> None:
    client = client_of(make_user("ada", *permissions, **fields))
    client.get("/api/v1/auth/me")
    with CaptureQueriesContext(connection) as queries:
        answer = client.get("/api/v1/auth/me")
    said = answer.json()
    assert 3_500 < said.pop("expires_in") <= 3_600
    assert said == {"username": "ada", "is_staff": False, "is_superuser": False, "may": may} | fields
    assert (len(queries), answer["Cache-Control"]) == (0, "no-store")
    User.objects.filter(username="ada").update(is_superuser=False, is_staff=False)
    User.objects.get().user_permissions.clear()
    assert client.get("/api/v1/auth/me").json()["may"] == ["read"]
    assert APIClient().get("/api/v1/auth/me").status_code == 401


def test_a_user_name_that_looks_like_an_address_goes_before_the_address(ada: User) -> None:
    make_user("ada@example.com", email="other@example.com", password="another one")
    assert log_in("ada@example.com").status_code == 401
    assert log_in("ada@example.com", "another one").status_code == 200


def test_nobody_has_such_a_name(ada: User, subtests: pytest.Subtests) -> None:
    for name in ["", "a\0b", "@", "%@%", "x" * 300]:
        with subtests.test(name=name):
            assert find_user(name) is None


def test_what_is_no_login_is_refused_by_field(subtests: pytest.Subtests) -> None:
    for body, fields in [
        ({}, ["password", "username"]),
        ({"username": "ada"}, ["password"]),
        ({"email": "ada@example.com"}, ["password"]),
        ({"email": None, "password": "x"}, ["email"]),
        ({"email": "ada@example.com", "username": "ada", "password": "x"}, ["email"]),
        ({"username": 1, "password": True}, ["password", "username"]),
        ({"username": None, "password": []}, ["password", "username"]),
        ({"username": "a\0", "password": "x"}, ["username"]),
        ({"username": "a", "password": "\0"}, ["password"]),
        ({"username": "x" * 255, "password": "x"}, ["username"]),
        ({"username": "ada", "password": "x", "remember": True}, ["remember"]),
        ([], ["non_field_errors"]),
    ]:
        with subtests.test(body=body, fields=fields):
            answer = APIClient().post(LOGIN, body)
            assert (answer.status_code, sorted(answer.json()["errors"])) == (400, fields)


def test_half_a_surrogate_pair_is_no_name() -> None:
    answer = APIClient().generic("POST", LOGIN, rb'{"username": "\ud800", "password": "x"}', "application/json")
    assert list(answer.json()["errors"]) == ["username"]


@override_settings(AXES_FAILURE_LIMIT=3)
def test_too_many_failures_lock_out_even_the_right_password(ada: User) -> None:
    answers = [log_in(name, "x") for name in ("ada", "ADA", "\uff21da", "ada")]
    assert [answer.status_code for answer in answers] == [401, 401, 429, 429]
    locked = log_in("ada")
    assert (locked.status_code, locked.json()["code"]) == (429, "locked_out")
    assert locked.json()["detail"] == (
        "Too many failed logins for this user from this address. Try again in 300 seconds."
    )
    assert locked["Retry-After"] == "300"


@override_settings(AXES_FAILURE_LIMIT=3)
@pytest.mark.parametrize("spelling", ["ADA@Example.com", "\uff21da@example.com", "add\u0131@x"])
def test_no_spelling_of_an_address_gets_tries_of_its_own(spelling: str) -> None:
    """PostgreSQL compares addresses in upper case, where a dotless i is an I."""
    usual = unicodedata.normalize("NFKC", spelling).lower().replace("\u0131", "i")
    assert [log_in(name, "x").status_code for name in (usual, usual.upper(), spelling)] == [401, 401, 429]


@override_settings(AXES_FAILURE_LIMIT=3)
@pytest.mark.parametrize(
    ("name", "other"), [("ada", "ada@example.com"), ("ada", "\uff21da"), ("Ada", "ada"), ("ada@example.com", "ada")]
)
def test_what_is_locked_out_does_not_tell_whose_name_it_is(name: str, other: str) -> None:
    def tried() -> list[int]:
        return [log_in(each, "x").status_code for each in (name, name, other)]

    unknown = tried()
    AccessAttempt.objects.all().delete()
    make_user(name.partition("@")[0], email="ada@example.com", password=PASSWORD)
    assert tried() == unknown


@override_settings(AXES_FAILURE_LIMIT=3)
def test_a_lock_out_is_for_one_user_from_one_address(ada: User) -> None:
    make_user("bob", password=PASSWORD)
    for _ in range(3):
        log_in("ada", "x")
    assert log_in("bob").status_code == 200
    elsewhere = APIClient(REMOTE_ADDR="198.51.100.7").post(LOGIN, {"username": "ada", "password": PASSWORD})
    assert elsewhere.status_code == 200


@override_settings(AXES_FAILURE_LIMIT=3, AXES_CLIENT_IP_CALLABLE="pmo.people.authentication.address_behind_proxy")
def test_behind_a_proxy_the_address_is_the_one_it_saw(ada: User) -> None:
    def log_in_from(forwarded: str, password: str = "x") -> int:
        client = APIClient(REMOTE_ADDR="10.0.0.1", headers={"X-Forwarded-For": forwarded})
        return int(client.post(LOGIN, {"username": "ada", "password": password}).status_code)

    made_up = [f"198.51.100.{number}, 203.0.113.5" for number in range(3)]
    assert [log_in_from(forwarded) for forwarded in made_up] == [401, 401, 429]
    assert log_in_from("203.0.113.5", PASSWORD) == 429
    assert log_in_from("203.0.113.5, 2001:db8::1", PASSWORD) == 200
    assert log_in_from("203.0.113.5:51234, ", PASSWORD) == 429
    for nonsense in ("", "x", " , ", "1.2.3.4; DROP TABLE"):
        assert log_in_from(nonsense) in (401, 429)
    attempts = AccessAttempt.objects.filter(ip_address="10.0.0.1")
    assert attempts.get().failures_since_start == 4
    admin = Client(REMOTE_ADDR="10.0.0.2", headers={"X-Forwarded-For": "10.0.0.1"})
    admin.post("/admin/login/", {"username": "ada", "password": "x"})
    assert attempts.get().failures_since_start == 5


def test_an_address_is_understood_however_the_proxy_writes_it(rf: RequestFactory, subtests: pytest.Subtests) -> None:
    for forwarded, address in [
        ("203.0.113.7:51234", "203.0.113.7"),
        ("198.51.100.1, [2001:db8::1]:443", "2001:db8::1"),
        ("[2001:DB8:0::1]", "2001:db8::1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:443", "fe80::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("\t203.0.113.7 ,, ", "203.0.113.7"),
        ("203.0.113.7, unknown", "10.0.0.1"),
        ("203.0.113.7:", "10.0.0.1"),
        ("203.0.113.7:5x", "10.0.0.1"),
        ("[203.0.113.7", "10.0.0.1"),
    ]:
        with subtests.test(forwarded=forwarded, address=address):
            request = rf.get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR="10.0.0.1")
            assert address_behind_proxy(request) == address


@override_settings(AXES_FAILURE_LIMIT=3)
def test_a_success_forgets_the_failures_before_it(ada: User) -> None:
    for _ in range(3):
        log_in("ada@example.com", "x")
        log_in("ada@example.com", "x")
        assert log_in("Ada@example.com").status_code == 200
    assert not AccessAttempt.objects.exists()
    User.objects.update(is_staff=True)
    login = {"username": "ada@example.com", "password": "x"}
    Client().post("/admin/login/", login)
    Client().post("/admin/login/", login | {"password": PASSWORD})
    assert not AccessAttempt.objects.exists()


@override_settings(AXES_FAILURE_LIMIT=3)
def test_failures_in_the_admin_and_in_the_api_count_together(ada: User) -> None:
    for _ in range(2):
        Client().post("/admin/login/", {"username": "ada@example.com", "password": "x"})
    assert log_in("Ada@Example.com", "x").status_code == 429


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + "@example.com", "a\0b"])
def test_a_name_the_admin_cannot_keep_is_just_wrong(name: str) -> None:
    assert Client().post("/admin/login/", {"username": name, "password": "x"}).status_code == 200


def test_passwords_are_checked_by_half_of_the_threads_at_most(ada: User) -> None:
    assert int(OPTIONS["blocking-threads"]) >= 2 * hashers.PLACES
    for _ in range(hashers.PLACES):
        hashers.places.acquire()
    try:
        answer = log_in("nobody", "x")
        assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "too_many_logins", "2")
        page = Client().post("/admin/login/", {"username": "nobody", "password": "x"})
        assert (page.status_code, page["Retry-After"]) == (503, "2")
        assert client_of(ada).get(TYPES).status_code == 200
    finally:
        hashers.places.release(hashers.PLACES)
    assert not AccessAttempt.objects.exists(), "nothing failed"
    assert [log_in("nobody", "x").status_code for _ in range(hashers.PLACES + 1)] == [401] * (hashers.PLACES + 1)


def renew(refresh: str) -> Any:
    return APIClient().post(REFRESH, {"refresh": refresh})


def test_a_refresh_token_gives_new_tokens(ada: User) -> None:
    first = log_in("ada").json()
    answer = renew(first["refresh"])
    assert answer.status_code == 200
    assert sorted(answer.json()) == ["expires_in", "refresh", "token"]
    assert answer["Cache-Control"] == "no-store"
    assert bearing(answer.json()["token"]).get(TYPES).status_code == 200
    assert bearing(first["token"]).get(TYPES).status_code == 200, "a request that is under way"
    assert renew(answer.json()["refresh"]).status_code == 200


def test_a_refresh_that_was_given_up_did_not_happen(committed_db: None) -> None:
    """Else the same token, sent again as it was told to be, would look stolen."""
    make_user("ada", password=PASSWORD)
    refresh = log_in("ada").json()["refresh"]
    with psycopg.connect(test_database_url()) as other:
        other.execute("SELECT FROM sign_in FOR UPDATE")
        with working_within(300), pytest.raises(OperationalError):
            renew_token(refresh)
    connection.close()
    with transaction.atomic():
        sql("LOCK TABLE sign_in")  # whoever waited for the row has ended then
    assert renew(refresh).status_code == 200


def test_a_refresh_token_that_comes_twice_ends_its_login(ada: User) -> None:
    other, stolen = log_in("ada").json(), log_in("ada").json()
    thief = renew(stolen["refresh"]).json()
    again = renew(stolen["refresh"])
    assert (again.status_code, again.json()["code"]) == (401, "token_not_valid")
    assert renew(thief["refresh"]).status_code == 401
    assert bearing(thief["token"]).get(TYPES).status_code == 401
    assert bearing(stolen["token"]).get(TYPES).status_code == 401
    assert bearing(other["token"]).get(TYPES).status_code == 200
    assert renew(other["refresh"]).status_code == 200


def test_renewing_does_not_prolong_a_login(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(RefreshToken, "lifetime", timedelta(hours=1))
        first = log_in("ada").json()["refresh"]
    second = renew(first).json()["refresh"]
    assert RefreshToken(second)["exp"] == RefreshToken(first)["exp"]  # type: ignore[arg-type] # a token's text


def test_a_logout_ends_every_token_of_its_login_and_no_other(ada: User) -> None:
    other, tokens = log_in("ada").json(), log_in("ada").json()
    newest = renew(tokens["refresh"]).json()
    answer = APIClient().post(LOGOUT, {"refresh": tokens["refresh"]})
    assert (answer.status_code, answer.content) == (204, b"")
    for token in (tokens["token"], newest["token"]):
        refused = bearing(token).get(TYPES)
        assert (refused.status_code, refused.json()["code"]) == (401, "signed_out")
    assert renew(newest["refresh"]).status_code == 401
    assert bearing(other["token"]).get(TYPES).status_code == 200
    assert APIClient().post(LOGOUT, {"refresh": tokens["refresh"]}).status_code == 204


def test_a_logout_without_a_body_ends_the_login_of_its_token(ada: User) -> None:
    ended, other = log_in("ada").json(), log_in("ada").json()
    client = bearing(ended["token"])
    assert client.get(TYPES).status_code == 200
    for _ in range(2):
        assert client.post(LOGOUT).status_code == 204
    assert (client.get(TYPES).status_code, renew(ended["refresh"]).status_code) == (401, 401)
    client = bearing(other["token"])
    for extra in ({"HTTP_TRANSFER_ENCODING": "chunked"}, {"data": {}}):
        assert client.post(LOGOUT, **extra).json()["errors"] == {"refresh": ["This field is required."]}
    assert APIClient().post(LOGOUT).status_code == 400
    assert bearing(f"{other['token']}x").post(LOGOUT).status_code == 401
    answer = client_of(ada).post(LOGOUT)
    assert (answer.status_code, answer.json()["code"]) == (400, "no_login")
    assert client.get(TYPES).status_code == 200


def test_a_logout_needs_a_refresh_token(ada: User) -> None:
    assert APIClient().post(LOGOUT, {"refresh": log_in("ada").json()["token"]}).status_code == 401
    assert APIClient().post(LOGOUT, {"refresh": "a.b.c"}).status_code == 401
    assert SignIn.objects.count() == 1


def test_logins_that_are_over_are_forgotten_and_no_token_is_kept(ada: User) -> None:
    old = log_in("ada").json()
    SignIn.objects.update(expires_ts=timezone.now() - settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"] - KNOWN)
    new = log_in("ada").json()
    kept = str(SignIn.objects.values().get())
    assert not [token for token in (*old.values(), *new.values()) if str(token) in kept]


@pytest.mark.parametrize("end", ["is_active", "password", "delete"])
def test_a_refresh_token_ends_with_its_user(ada: User, end: str) -> None:
    refresh = log_in("ada").json()["refresh"]
    match end:
        case "is_active":
            User.objects.update(is_active=False)
        case "password":
            ada.set_password("new")
            ada.save()
        case _:
            ada.delete()
    answer = APIClient().post(REFRESH, {"refresh": refresh})
    assert (answer.status_code, sorted(answer.json())) == (401, ["code", "detail", "errors"])


def test_what_is_no_refresh_token_is_refused(ada: User, subtests: pytest.Subtests) -> None:
    for token in ["x", "a.b.c", "ä.ö.ü", ".", "W10.W10.W10", str(AccessToken.for_user(ada))]:
        with subtests.test(token=token):
            answer = renew(token)
            assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")
    for body in [{}, {"refresh": None}, {"refresh": 5}, {"refresh": ""}, {"refresh": "x" * 5000}]:
        with subtests.test(body=body):
            answer = APIClient().post(REFRESH, body)
            assert (answer.status_code, list(answer.json()["errors"])) == (400, ["refresh"])
    assert bearing(str(RefreshToken.for_user(ada))).get(TYPES).status_code == 401, "nor is it an access token"


def test_what_is_no_token_is_refused(subtests: pytest.Subtests) -> None:
    for header in [
        "",
        "Bearer",
        "Bearer a b",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer " + "W1tb" * 2000 + ".e30.AAAA",
        "Bearer \xff\xfe",
        "Basic YWRhOng=",
        "Token x",
    ]:
        with subtests.test(header=header):
            answer = APIClient().get(TYPES, headers={"Authorization": header})
            assert (answer.status_code, sorted(answer.json())) == (401, ["code", "detail", "errors"])
            assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("algorithm", ["none", "HS512", "HS256"])
def test_a_token_that_was_signed_by_others_or_otherwise_is_refused(ada: User, algorithm: str) -> None:
    claims = AccessToken.for_user(ada).payload
    key = {"none": None, "HS512": str(settings.SECRET_KEY), "HS256": "x" * 50}[algorithm]
    assert bearing(jwt.encode(claims, key, algorithm)).get(TYPES).status_code == 401
    assert bearing(jwt.encode(claims, str(settings.SECRET_KEY), "HS256")).get(TYPES).status_code == 200


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_of_a_clock_a_little_ahead_is_taken_and_none_lives_longer_for_it(ada: User, claim: str) -> None:
    now = int(time.time())
    for ahead, status in ((3, 200), (60, 401)):
        token = AccessToken.for_user(ada)
        token[claim] = now + ahead
        assert bearing(str(token)).get(TYPES).status_code == status
    refresh = RefreshToken(log_in("ada").json()["refresh"])
    token, refresh["exp"] = AccessToken.for_user(ada), now - 1
    token["exp"] = now - 1
    assert bearing(str(token)).get(TYPES).status_code == 401
    assert renew(str(refresh)).status_code == 401
