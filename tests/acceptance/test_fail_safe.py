"""A server whose PostgreSQL goes away and comes back, over its own connection pool."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPMessage
from pathlib import Path
from typing import NamedTuple

import pytest
from django.contrib.auth.models import User
from django.db import connection
from redis import Redis

from tests.acceptance.conftest import Program
from tests.conftest import make_entity
from tests.servers import test_database_url, web_server
from tests.waiting import wait_for


class Answer(NamedTuple):
    status: int
    headers: HTTPMessage
    body: bytes


class Gate:
    """A way to PostgreSQL that can be shut: connections through it break, and new ones are refused."""

    def __init__(self, directory: Path) -> None:
        options = connection.settings_dict["OPTIONS"]
        self.directory = directory
        self._name = f".s.PGSQL.{connection.settings_dict['PORT'] or 5432}"
        self._behind = f"{options['host']}/{self._name}"
        self._open: list[socket.socket] = []

    def open(self) -> None:
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(self.directory / self._name))
        self._door.listen()
        threading.Thread(target=self._admit, args=(self._door,), daemon=True).start()

    def shut(self) -> None:
        (self.directory / self._name).unlink()
        for each in [self._door, *self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def _admit(self, door: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = door.accept()
                there = socket.socket(socket.AF_UNIX)
                there.connect(self._behind)
                self._open += [here, there]
                for ends in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def gate(committed_db: None, tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    gate.open()
    yield gate
    with contextlib.suppress(OSError):
        gate.shut()


def read(url: str, token: str) -> Answer:
    request = urllib.request.Request(f"{url}/api/v1/entity/type/project", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def read_until(url: str, token: str, status: int, source: str | None = None) -> Answer:
    """Read until the answer is this one."""
    answers: list[Answer] = []

    def is_this() -> bool:
        answers.append(read(url, token))
        return (answers[-1].status, answers[-1].headers["X-Cache"]) == (status, source)

    wait_for(is_this)
    return answers[-1]


def test_reads_go_on_while_postgresql_is_away_and_a_revocation_counts_at_once(
    gate: Gate, staff_user: User, redis_client: Redis
) -> None:
    make_entity("project")
    behind_gate = test_database_url().partition("?")[0] + f"?host={gate.directory}"
    with web_server(
        DATABASE_URL=behind_gate,
        CACHE_STALE_SECONDS="3600",
        DATABASE_POOL_SIZE="2",
        DATABASE_POOL_TIMEOUT_SECONDS="0.5",
        DATABASE_CONNECT_TIMEOUT_SECONDS="1",
    ) as url:
        token = Program(url)._token
        redis_client.delete("entity:metadata:project")  # this process has left it there, and keeps nothing for later
        fresh = read(url, token)
        assert (fresh.status, fresh.headers["X-Cache"]) == (200, "DB")
        gate.shut()
        redis_client.delete("entity:metadata:project")  # it expires
        stale = read_until(url, token, 200, "STALE")
        assert (stale.body, stale.headers["ETag"]) == (fresh.body, fresh.headers["ETag"])
        assert stale.headers["Warning"] == '110 - "Response is Stale"'
        assert {read(url, token).headers["X-Cache"] for _ in range(20)} == {"STALE"}, "nothing replays it as fresh"
        User.objects.update(is_active=False)
        assert read(url, token).status == 401, "Redis was told"
        gate.open()
        assert read(url, token).status == 401
