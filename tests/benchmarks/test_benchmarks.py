"""The benchmark without its timings: contenders do the same work, and what is counted is what happened."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from redis import Redis
from rest_framework_simplejwt.tokens import AccessToken

from entities.documents import EntityDocument, document_of, encode_entity
from tests.benchmarks.answers import ask
from tests.benchmarks.contenders import CONTENDERS, LOADER, NODE
from tests.benchmarks.contenders.constant import ANSWER_VARIABLE, load_application
from tests.benchmarks.measures.counter import parse_log
from tests.benchmarks.measures.many import LONG_LEASE
from tests.benchmarks.rows import HOT, insert_rows, libpq_variables
from tests.benchmarks.server import Server
from tests.conftest import make_entity
from tests.servers import ROOT, free_port, test_database_url, valkey_server, wait_until_answering

THEIRS = [name for name, each in CONTENDERS.items() if each.application == LOADER and not each.command]
"""Ours are tried by every other test."""


@pytest.fixture
def token() -> str:
    """Of a user who may change entity types, here and in the contenders' app."""
    theirs, _ = ContentType.objects.get_or_create(app_label="contenders", model="entitytype")
    Permission.objects.get_or_create(content_type=theirs, codename="change_entitytype", name="Can change entity type")
    user = User.objects.create_user("benchmark")
    user.user_permissions.set(Permission.objects.filter(codename__in=["change_entity", "change_entitytype"]))
    return str(AccessToken.for_user(user))


@pytest.mark.usefixtures("committed_db")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.proof] if name != "classic" else []) for name in THEIRS]
)
def test_every_contender_reads_changes_and_refuses_alike_and_caches_if_it_is_said_to(name: str, token: str) -> None:
    contender = CONTENDERS[name]
    make_entity("project", label="Before")
    answered = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.answers", name, token, "project"],
        cwd=ROOT,
        env=os.environ
        | contender.environment
        | {"DATABASE_URL": test_database_url(), "DJANGO_SETTINGS_MODULE": contender.settings, "LOG_LEVEL": "WARNING"},
        stdout=subprocess.PIPE,
        check=True,
    )
    shown = json.loads(answered.stdout)
    assert shown["statuses"] == [200, 200, 200, 200]
    assert shown["first"] == shown["again"]
    assert list(shown["first"]) == list(EntityDocument.__struct_fields__)
    assert (shown["first"]["label"], shown["after"]["label"]) == ("Before", "Changed")
    assert shown["refused"] == 401
    miss, hit = shown["queries"]
    assert (hit == miss) if name == "database" else (hit < miss)


@pytest.fixture
def node() -> Iterator[Server]:
    """The contender in Node on this test's databases."""
    contender = CONTENDERS[NODE]
    if reason := contender.get_ready():
        pytest.skip(reason)
    port = free_port()
    environment = os.environ | libpq_variables(test_database_url()) | {"PORT": str(port)}
    with subprocess.Popen(contender.command, env=environment | {"SECRET_KEY": settings.SECRET_KEY}) as process:
        try:
            wait_until_answering(f"http://127.0.0.1:{port}/healthz", process.poll)
            yield Server(contender, port, process)
        finally:
            process.terminate()


@pytest.mark.usefixtures("committed_db")
def test_node_reads_changes_refuses_and_caches_as_the_platforms_document_says(token: str, node: Server) -> None:
    document = json.loads(encode_entity(document_of(make_entity("project", label="Before"))))
    path = "/api/v1/entity/type/project"
    with contextlib.closing(Redis(port=int(os.environ["REDIS_PORT"]), db=int(os.environ["REDIS_DB"]))) as redis:
        redis.flushdb()
        assert json.loads(node.ask(token, "GET", path).body) == document
        assert list(json.loads(redis.get("entity:metadata:project"))) == list(document)
        assert 0 < redis.ttl("entity:metadata:project") <= 300
    with psycopg.connect(test_database_url()) as database:  # as nobody else would: no trigger runs
        database.execute("SET session_replication_role = replica")
        database.execute("UPDATE app.entity SET label = 'Behind its back'")
    assert json.loads(node.ask(token, "GET", path).body) == document
    assert node.ask(token, "PATCH", "/api/v1/entity/project", {"label": "Changed"}).status == 200
    assert json.loads(node.ask(token, "GET", path).body)["label"] == "Changed"
    assert node.ask(f"{token}x", "GET", path).status == 401


@pytest.mark.usefixtures("committed_db")
def test_reads_in_process_are_hits_under_the_settings_of_a_run(tmp_path: Path) -> None:
    insert_rows(test_database_url(), HOT, [])
    with valkey_server(port=free_port(), data_dir=tmp_path) as server:  # it counts the commands of all its clients
        measured = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.measures.in_process", "--rounds", "1", "--memory", "1"],
            cwd=ROOT,
            env=os.environ
            | LONG_LEASE
            | {"DATABASE_URL": test_database_url(), "REDIS_URL": f"{server.connection_url}/0"}
            | {"DJANGO_SETTINGS_MODULE": "pmo.settings", "LOG_LEVEL": "WARNING"},
            stdout=subprocess.PIPE,
            check=True,
        )
    found = json.loads(measured.stdout)
    assert [len(found[name]) for name in ("dict", "l1", "get", "l2")] == [1, 1, 1, 1]


def test_the_constant_gives_the_answer_in_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "answer.json"
    file.write_text(json.dumps({"status": "200 OK", "headers": [["etag", '"1"']], "body": '{"code":"project"}'}))
    monkeypatch.setenv(ANSWER_VARIABLE, str(file))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert ask(load_application(), "GET", "/anything", "no token") == (200, b'{"code":"project"}')


LOGGED = """\
2026-01-01 10:00:00.001 UTC [7] LOG:  statement:\x20
2026-01-01 10:00:00.002 UTC [7] LOG:  statement: BEGIN
2026-01-01 10:00:00.003 UTC [7] LOG:  statement: UPDATE "app"."entity" SET "label" = 'a [8] LOG:  statement: b'
\tWHERE "code" = 'project'
2026-01-01 10:00:00.004 UTC [8] LOG:  execute s1:\x20
\t    SELECT 1
2026-01-01 10:00:00.004 UTC [8] DETAIL:  Parameters: $1 = 'SELECT'
2026-01-01 10:00:00.005 UTC [7] LOG:  statement: COMMIT
"""


def test_every_statement_in_the_log_counts_once_and_no_transaction_control() -> None:
    changed, read = parse_log(LOGGED)
    assert (changed.session, read.session) == (7, 8)
    assert read.text.startswith("SELECT 1")
    assert changed.kind.split() == ["UPDATE", '"app"."entity"', "SET", '"label"', "=", "?", "WHERE", '"code"', "=", "?"]


def test_a_distant_redis_is_as_far_as_it_is_said_to_be() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.measures.distant", os.environ["REDIS_PORT"], "20"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as way:
        assert way.stdout is not None
        with contextlib.closing(Redis(port=int(way.stdout.readline()), protocol=2)) as client:
            client.ping()
            begun = time.perf_counter()
            client.ping()
            taken = time.perf_counter() - begun
        way.terminate()
    assert taken >= 0.02
