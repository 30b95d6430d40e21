"""Bytes that somebody else put into Redis, or that Redis garbled, are never served and never cause an error."""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.sessions.backends.cached_db import KEY_PREFIX
from django.test import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis import Redis

from cache_layer import Source
from cache_layer.errors import OtherRelease
from cache_layer.keys import absent_key, totals_key
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.metrics import REFUSED_VALUES
from cache_layer.reading.reads import read_entries, read_entry
from entities.dashboard.figures import forget_figures
from entities.documents import EntityDocument, decode_entities, decode_entity, encode
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.services import get_entity_infrastructure
from tests.admin.conftest import staff_client
from tests.api.conftest import client_of, make_user
from tests.conftest import make_entity

INPUTS = int(os.environ.get("FUZZ_INPUTS", "50"))
"""Inputs of each fuzz test; `make fuzz` tries more."""
tried = settings(
    max_examples=INPUTS,
    deadline=None,
    database=None,
    derandomize="FUZZ_INPUTS" not in os.environ,
    suppress_health_check=list(HealthCheck),
)


def document(**fields: Any) -> dict[str, Any]:
    return {
        "code": "project",
        "entity_type": "project",
        "label": "L",
        "label_plural": "L",
        "icon": "Flag",
        "child_entity_codes": [],
        "active_flag": True,
        "created_ts": "2025-01-15T10:30:00Z",
        "modified_ts": "2025-01-15T10:30:00Z",
    } | fields


def as_ours(value: Any) -> bytes:
    """JSON as the encoder writes it: nothing but its content is wrong."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


GIANT = b"[" * 5_000_000
LISTS = {
    "no JSON": b"\x28\xb5\x2f\xfd\x04\x00garbage",
    "a giant": GIANT,
    "one document": as_ours(document()),
    "an older schema": as_ours([{"code": "project", "name": "Project"}]),
    "one that is inactive": as_ours([document(active_flag=False)]),
    "one twice": as_ours([document(), document()]),
    "a label longer than the table's": as_ours([document(label="x" * 101)]),
    "other bytes for the same": as_ours([document()]) + b" ",
}
VALUES = {
    "nothing": b"",
    "null": b"null",
    "cut short": as_ours(document())[:-9],
    "one that is inactive": as_ours(document(active_flag=False)),
    "other bytes for the same": as_ours(document()) + b"\n",
    "blanks between the same": as_ours(document()).replace(b":", b": "),
    "another key's value": as_ours(document(code="task")),
    "the list": as_ours([document()]),
    "a giant": GIANT,
    "a label longer than the table's": as_ours(document(label="x" * 101)),
    "a giant label": as_ours(document(label="x" * 5_000_000)),
    "a child longer than the table's": as_ours(document(child_entity_codes=["x" * 51])),
    "numbers for letters": as_ours(document(label=[1])),
    "a number with an exponent for a flag": as_ours(document()).replace(b"true", b"1e0"),
    "a field twice": as_ours(document()).replace(b'"label":"L"', b'"label":"L","label":"M"'),
    "half a surrogate pair": as_ours(document()).replace(b'"label":"L"', rb'"label":"\ud800"'),
    "a time in no zone": as_ours(document(created_ts="2025-01-15T10:30:00")),
    "a member twice": as_ours(document())[:-1] + b',"label":"Evil"}',
    "a member in front": b'{"remark":1,' + as_ours(document())[1:],
    "no JSON behind": as_ours(document())[:-1] + b",remark}",
    "nested without end": as_ours(document())[:-1] + b',"remark":' + b"[" * 100_000,
    "a later release's, of another": as_ours(document(code="task", remark=1)),
    "a later release's, inactive": as_ours(document(active_flag=False, remark=1)),
    "an earlier release's, with blanks": as_ours({"code": "project"}).replace(b":", b": "),
    "few members, one of another type": b'{"code":1}',
    "members left out in between": as_ours(document()).replace(b'"icon":"Flag",', b""),
    "a pickle": b"\x80\x04\x95\x1e\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94.",
}


@pytest.fixture
def project(committed_db: None) -> None:
    make_entity("task")
    make_entity("project", label="Project")


def test_hostile_values_are_not_served_alone_or_among_others(
    project: None, redis_client: Redis, subtests: pytest.Subtests
) -> None:
    for payload in VALUES.values():
        refused = REFUSED_VALUES._value.get()
        with subtests.test(payload=payload):
            for read in (
                lambda: read_entries(ENTITY, ["task", "project"])["project"],
                lambda: read_entry(ENTITY, "project"),
            ):
                redis_client.set("entity:metadata:project", payload)
                drop_all_copies()
                found = read()
                assert (found.source, found.document.label) == (Source.DATABASE, "Project")  # type: ignore[union-attr]
                assert json.loads(redis_client.get("entity:metadata:project"))["label"] == "Project"
            assert REFUSED_VALUES._value.get() - refused == 2


def test_hostile_lists_are_not_served(project: None, redis_client: Redis, subtests: pytest.Subtests) -> None:
    for payload in LISTS.values():
        drop_all_copies()
        with subtests.test(payload=payload):
            redis_client.set("entity:types", payload)
            read = read_entry(ENTITY_TYPES, "")
            assert (read.source, [each.label for each in read.document or ()]) == (Source.DATABASE, ["Task", "Project"])
            assert len(json.loads(redis_client.get("entity:types"))) == 2


def test_a_line_in_the_log_about_a_hostile_value_is_short(
    project: None, redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    redis_client.set("entity:metadata:project", as_ours({"x" * 100_000: 1}))
    with caplog.at_level("WARNING", "cache_layer"):
        read_entry(ENTITY, "project")
    (refused,) = [record for record in caplog.records if record.msg == "Cache value refused"]
    assert vars(refused)["error"].startswith("ValidationError: Object missing required field")
    assert len(vars(refused)["error"]) <= 200


HOSTILE_CODES = [
    "*",
    "project*",
    "project\nDEL entity:types",
    "project\r\n",
    "{entity:metadata:project}:holds",
    "../types",
    "project:x",
    "PROJECT",
    "pr\u0000ject",
    "\u0440roject",
    "\uff50roject",
    "project ",
    "a" * 51,
    "",
]


def test_a_hostile_code_reaches_no_engine(
    commands: list[str], db: None, django_assert_num_queries: Callable[[int], Any], subtests: pytest.Subtests
) -> None:
    for code in HOSTILE_CODES:
        with subtests.test(code=code):
            with django_assert_num_queries(0):
                assert get_entity_infrastructure().get_entity(code) is None
                assert get_entity_infrastructure().get_entity(code, include_inactive=True) is None
                assert get_entity_infrastructure().get_entities([code]) == {}
            assert commands == []


def test_hostile_bytes_in_a_session_or_under_our_other_keys_log_nobody_in_and_break_nothing(
    committed_db: None, redis_client: Redis
) -> None:
    make_entity("project")
    client = staff_client(make_user("root", is_staff=True, is_superuser=True))
    assert client.get("/admin/cache/").status_code == 200
    for key in redis_client.keys("*"):
        if b"run_id" not in key:
            redis_client.set(key, b"\x80\x04\x95 a pickle, for example")
    redis_client.set(absent_key("entity:metadata:nothing"), GIANT)
    assert client.get("/admin/cache/").status_code == 200, "the session is in the database too"
    this_minute = totals_key(60, time.time())
    redis_client.delete(this_minute)
    redis_client.hset(this_minute, mapping={"reads:L1": "NaN", b"\xff": "<b>", "relay_lag_seconds:x": 1})
    forget_figures()
    assert [client.get(f"/admin/cache/{page}").status_code for page in ("", "figures/", "entries/")] == [200] * 3
    assert client_of(make_user()).get("/api/v1/entity/type/project").status_code == 200
    assert client_of(make_user("other")).get("/api/v1/entity/type/nothing").status_code == 404


def test_reading_and_writing_sessions_in_redis_logs_nobody_in(committed_db: None, redis_client: Redis) -> None:
    root = staff_client(make_user("root", is_staff=True, is_superuser=True))
    [roots_key] = redis_client.keys("*sessions*")
    ada = staff_client(make_user("ada", is_staff=True))
    [adas_key] = set(redis_client.keys("*sessions*")) - {roots_key}
    stored = b" ".join((roots_key, adas_key, *redis_client.mget(roots_key, adas_key)))
    assert root.cookies["sessionid"].value.encode() not in stored
    for hostile in (redis_client.get(roots_key), b'{"_auth_user_id":"1"}', b'"a:b:c"', b"1"):
        redis_client.set(adas_key, hostile)
        answer = ada.get("/admin/")
        assert (answer.status_code, answer.wsgi_request.user.username) == (200, "ada")
    stranger = Client()
    stranger.cookies["sessionid"] = roots_key.rpartition(KEY_PREFIX.encode())[2].decode()
    assert stranger.get("/admin/").status_code == 302


texts = st.text(max_size=120)
documents = st.builds(
    EntityDocument,
    code=st.text(max_size=60),
    entity_type=texts,
    label=texts,
    label_plural=texts,
    icon=texts,
    child_entity_codes=st.lists(texts, max_size=3).map(tuple),
    active_flag=st.booleans(),
    created_ts=st.datetimes(timezones=st.timezones()),
    modified_ts=st.datetimes(timezones=st.timezones()),
)


def mutations(payload: bytes) -> st.SearchStrategy[bytes]:
    """The same bytes, with a few replaced, removed or added."""
    places = st.integers(0, len(payload))
    return st.tuples(places, places, st.binary(max_size=8)).map(
        lambda cut: payload[: min(cut[:2])] + cut[2] + payload[max(cut[:2]) :]
    )


def used(decode: Callable[[str, bytes], Any], identifier: str, payload: bytes) -> tuple[Any, bool]:
    """The document a reader takes from these bytes, and whether this release wrote them; ValueError if none."""
    try:
        return decode(identifier, payload), True
    except OtherRelease as other:
        if other.document is None:
            raise
        return other.document, False


@pytest.mark.fuzz
@given(payload=st.binary() | documents.map(encode) | mutations(as_ours(document())))
@example(payload=as_ours(document()))
@tried
def test_whatever_is_decoded_is_an_active_document_of_its_code_in_our_bytes(payload: bytes) -> None:
    with suppress(ValueError):
        decoded, ours = used(decode_entity, "project", payload)
        assert payload == encode(decoded) if ours else payload.startswith(encode(decoded)[:-1])
        assert (decoded.code, decoded.active_flag) == ("project", True)
        assert max(len(decoded.label), len(decoded.label_plural)) <= 100


@pytest.mark.fuzz
@given(
    payload=st.binary()
    | st.lists(documents, max_size=4).map(encode)
    | mutations(as_ours([document(), document(code="task")]))
)
@example(payload=as_ours([document(), document(code="task")]))
@tried
def test_whatever_list_is_decoded_is_of_active_documents_each_once_in_our_bytes(payload: bytes) -> None:
    with suppress(ValueError):
        decoded, ours = used(decode_entities, "", payload)
        assert not ours or encode(decoded) == payload
        assert all(each.active_flag for each in decoded)
        assert len({each.code for each in decoded}) == len(decoded)
