"""
A token is checked without the database, and whatever ends or changes it is in force when it returns.

A session ends at logout, whatever else was under way.
"""

import json
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User, update_last_login
from django.core.wsgi import get_wsgi_application
from django.db import NotSupportedError, connection, transaction
from django.test.utils import CaptureQueriesContext
from redis import Redis

from cache_layer import Source, metrics
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.reading.reads import read_entry
from cache_layer.upkeep.audit import audit_cache
from cache_layer.upkeep.relay import relay_changes
from cache_layer.writing.outbox import Backlog
from pmo.lookups import GROUP, PERSON, SIGN_IN
from pmo.models import SignIn
from pmo.people.sessions import DatabaseStore, SessionStore
from pmo.people.tokens import renew, sign_in
from tests.api.conftest import make_user
from tests.api.test_express_lane import TYPE, Server
from tests.conftest import make_entity, sql, without_waiting

pytestmark = pytest.mark.usefixtures("committed_db")


class Person:
    """Somebody with a token, and the server they use, which caches what it knows about them."""

    def __init__(self, user: User, token: str) -> None:
        self.user, self.token = user, token
        self.start_server()

    def start_server(self) -> None:
        """Start one that knows nobody yet."""
        self.server = Server(get_wsgi_application())
        self.server.is_django = True

    def send(self, method: str, path: str, **body: Any) -> int:
        """The status of an answer."""
        text = json.dumps(body)
        answer = self.server.ask(
            path,
            REQUEST_METHOD=method,
            HTTP_AUTHORIZATION=f"Bearer {self.token}",
            CONTENT_TYPE="application/json",
            CONTENT_LENGTH=str(len(text)),
            body=text,
        )
        return int(answer.status[:3])

    def read(self, token: str = "") -> int:
        return int(self.server.ask(TYPE, HTTP_AUTHORIZATION=f"Bearer {token or self.token}").status[:3])

    def change(self) -> int:
        return self.send("PATCH", "/api/v1/entity/project", label=f"New {monotonic_ns()}")

    def make_known(self) -> None:
        """Let the server cache what they may do."""
        assert [self.read() for _ in range(3)] == [200] * 3
        assert self.change() == 200


class Ada(Person):
    """Somebody with a login, who may change entity types as a member of a group."""

    def __init__(self) -> None:
        user = make_user("ada", "add", "delete")
        self.group = Group.objects.create(name="editors")
        self.group.permissions.set(Permission.objects.filter(codename="change_entity"))
        user.groups.add(self.group)
        refresh = sign_in(user)
        self.refresh = str(refresh)
        super().__init__(user, str(refresh.access_token))


@pytest.fixture
def ada() -> Ada:
    make_entity("project")
    with without_waiting(), transaction.atomic():
        found = Ada()
    found.make_known()
    return found


def log_out(ada: Ada) -> None:
    assert ada.send("POST", "/api/v1/auth/logout", refresh=ada.refresh) == 204


def save(ada: Ada, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(ada.user, name, value)
    ada.user.save()


def set_password(ada: Ada) -> None:
    ada.user.set_password("another one")
    ada.user.save(update_fields=["password"])


def deactivate_in_bulk(ada: Ada) -> None:
    ada.user.is_active = False
    User.objects.bulk_update([ada.user], ["is_active"])


ENDS: dict[str, Callable[[Ada], Any]] = {
    "logout": log_out,
    "logins deleted": lambda ada: SignIn.objects.filter(user=ada.user).delete(),
    "deactivated": lambda ada: save(ada, is_active=False),
    "deactivated by update": lambda _: User.objects.filter(username="ada").update(is_active=False),
    "deactivated by bulk_update": deactivate_in_bulk,
    "new password": set_password,
    "deleted": lambda ada: ada.user.delete(),
    "deleted by a query": lambda _: User.objects.filter(username="ada").delete(),
    "deactivated by its group": lambda ada: ada.group.user_set.update(is_active=False),
}


@pytest.mark.parametrize("what", ENDS)
def test_what_ends_a_token_is_in_force_when_it_returns(ada: Ada, what: str) -> None:
    ENDS[what](ada)
    assert ada.read() == 401
    assert ada.change() == 401
    assert Backlog.measure(using="default").changes == 0, "and nothing is left for the relay"


def without_permission(ada: Ada) -> None:
    permissions = Permission.objects.filter(codename="change_entity")
    Group.permissions.through.objects.filter(permission__in=permissions).delete()


LOSES: dict[str, Callable[[Ada], Any]] = {
    "leaves the group": lambda ada: ada.user.groups.remove(ada.group),
    "leaves all groups": lambda ada: ada.user.groups.clear(),
    "is removed by the group": lambda ada: ada.group.user_set.remove(ada.user),
    "the group is emptied": lambda ada: ada.group.user_set.clear(),
    "the group loses all": lambda ada: ada.group.permissions.clear(),
    "the group is deleted": lambda ada: ada.group.delete(),
    "the groups are deleted": lambda _: Group.objects.all().delete(),
    "the pair is deleted": lambda ada: User.groups.through.objects.filter(user=ada.user).delete(),
    "the permission's pair is deleted": without_permission,
}


@pytest.mark.parametrize("what", LOSES)
def test_a_permission_is_gone_when_its_removal_returns(ada: Ada, what: str) -> None:
    LOSES[what](ada)
    assert (ada.read(), ada.change()) == (200, 403)


def given_anothers_place(ada: Ada) -> None:
    bob = make_user("bob")
    bob.groups.add(ada.group)
    User.groups.through.objects.filter(user=bob).update(user=ada.user)


@pytest.mark.parametrize(
    "gain",
    [
        given_anothers_place,
        lambda ada: ada.user.user_permissions.add(Permission.objects.get(codename="change_entity")),
        lambda ada: Permission.objects.get(codename="change_entity").user_set.add(ada.user),
        lambda ada: ada.user.groups.add(ada.group),
        lambda ada: ada.group.user_set.set([ada.user]),
        lambda _: User.objects.update(is_superuser=True),
    ],
)
def test_a_permission_can_be_used_when_its_grant_returns(ada: Ada, gain: Callable[[Ada], Any]) -> None:
    ada.user.groups.clear()
    assert ada.change() == 403
    gain(ada)
    assert ada.change() == 200


@pytest.mark.parametrize("field", ["user", "user_id"])
def test_an_upsert_cannot_move_a_pair_whose_old_user_is_unknown(ada: Ada, field: str) -> None:
    pairs = User.groups.through
    given = pairs(id=pairs.objects.get(user=ada.user).pk, user=make_user("bob"), group=ada.group)
    with pytest.raises(NotSupportedError, match="use bulk_update"):
        pairs.objects.bulk_create([given], update_conflicts=True, unique_fields=["id"], update_fields=[field])


SQL = {
    "UPDATE auth_user SET is_active = false": (401, 401),
    "UPDATE auth_user SET password = 'x'": (401, 401),
    "DELETE FROM sign_in": (401, 401),
    "TRUNCATE sign_in": (401, 401),
    "DELETE FROM auth_user_groups": (200, 403),
    "UPDATE auth_user_groups SET user_id = (SELECT id FROM auth_user WHERE username = 'bob')": (200, 403),
    "DELETE FROM auth_group_permissions": (200, 403),
}


@pytest.mark.parametrize("statement", SQL)
def test_a_change_by_sql_is_in_force_once_it_is_relayed(ada: Ada, statement: str) -> None:
    make_user("bob")
    sql(statement)
    relay_changes()
    drop_all_copies()  # the relay waits for nobody
    assert (ada.read(), ada.change()) == SQL[statement]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE auth_user SET last_login = now(), first_name = 'Ada'", "UPDATE sign_in SET newest = 'x'"],
)
def test_sql_that_changes_nothing_relevant_is_not_recorded(ada: Ada, statement: str) -> None:
    sql(statement)
    assert Backlog.measure(using="default").changes == 0


@pytest.mark.parametrize(
    "act",
    [
        lambda ada: update_last_login(None, ada.user),
        lambda _: User.objects.update(first_name="Ada"),
        lambda ada: sign_in(ada.user),
        lambda ada: renew(ada.refresh),
    ],
    ids=["last login", "a name", "a new login", "a refresh"],
)
def test_what_ends_nothing_holds_nothing(ada: Ada, act: Callable[[Ada], Any], commands: list[str]) -> None:
    held = metrics.HOLDS._value.get()
    act(ada)
    assert metrics.HOLDS._value.get() == held
    assert set(commands) <= {"MGET"}, "apart from the renewal of what she has read"


def test_a_valid_token_is_checked_without_the_database(ada: Ada) -> None:
    with CaptureQueriesContext(connection) as queries:
        for _ in range(3):
            assert ada.read() == 200
        assert ada.change() == 200
    assert not [query for query in queries.captured_queries if "auth_" in query["sql"] or "sign_in" in query["sql"]]
    assert ada.read() == 200
    drop_all_copies()
    ada.start_server()
    with CaptureQueriesContext(connection) as queries:
        assert ada.read() == 200
    assert len(queries) == 0, "nor does a server that has just started"


def test_the_cache_has_what_the_database_has(ada: Ada) -> None:
    assert audit_cache().mismatches == ()
    sql("UPDATE auth_user SET username = 'another'")
    assert [mismatch.entry.lookup.name for mismatch in audit_cache().mismatches] == ["person"]
    assert audit_cache().mismatches == ()


@pytest.mark.parametrize("lookup", [PERSON, GROUP, SIGN_IN], ids=lambda lookup: lookup.name)
def test_a_persons_document_is_not_accepted_for_anybody_else(ada: Ada, lookup: Any, redis_client: Any) -> None:
    (key,) = redis_client.keys(lookup.key_glob())
    sealed = redis_client.get(key)
    identifier = lookup.identifier(key.decode())
    assert lookup.decode(identifier, sealed) == read_entry(lookup, identifier).document
    another = bytes([sealed[-2] ^ 1])
    for forged in (
        sealed.replace(b"ada", b"bob") if b"ada" in sealed else sealed[:-2] + another + b"}",
        sealed[64:],
        b"",
    ):
        with pytest.raises(ValueError, match="not sealed"):
            lookup.decode(identifier, forged)
    with pytest.raises(ValueError, match="not sealed"):
        lookup.decode(f"{identifier}0", sealed)
    redis_client.set(key, sealed.replace(b"false", b"true") + b" ")
    drop_all_copies()
    assert read_entry(lookup, identifier).source is Source.DATABASE


@pytest.mark.parametrize(
    ("place", "look"), [(SessionStore, "_get_session_from_db"), (DatabaseStore, "exists")], ids=["first", "last"]
)
def test_a_logout_while_the_session_is_read_leaves_no_copy(
    db: None, monkeypatch: pytest.MonkeyPatch, place: Any, look: str
) -> None:
    session = SessionStore()
    session["of"] = "root"
    session.save()
    key, looked = session.session_key, getattr(place, look)
    late = SessionStore(key)
    late._cache.delete(late.cache_key)

    def look_just_before_the_logout(*asked: Any) -> Any:
        found = looked(*asked)
        monkeypatch.setattr(place, look, looked)
        session.flush()
        return found

    monkeypatch.setattr(place, look, look_just_before_the_logout)
    assert late["of"] == "root", "it was there"
    assert "of" not in SessionStore(key)


def test_a_session_that_another_run_of_redis_left_is_purged(db: None, redis_client: Redis) -> None:
    """Otherwise a snapshot would bring back sessions of users who have logged out since."""
    session = SessionStore()
    session["of"] = "root"
    session.save()
    (kept,) = redis_client.keys("sessions:*")
    redis_client.mset(dict.fromkeys(redis_client.keys("cache_layer:run_id:*"), "another run"))
    redis_client.connection_pool.disconnect()
    assert redis_client.exists(kept) == 0
