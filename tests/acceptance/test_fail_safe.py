"""A server whose PostgreSQL goes away and comes back, over its own connection pool."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import requests
from django.contrib.auth.models import User
from django.db import connection
from redis import Redis

from tests.acceptance.conftest import Program
from tests.conftest import make_entity
from tests.outages.proxy import Mode, Proxy, to_postgres
from tests.servers import web_server
from tests.waiting import wait_for


@pytest.fixture
def postgres(committed_db: None) -> Iterator[Proxy]:
    """What the server connects to."""
    proxy = Proxy(partial(to_postgres, connection.settings_dict["OPTIONS"]["host"]), delay_seconds=0)
    yield proxy
    proxy.close()


def test_reads_go_on_while_postgresql_is_away_and_a_revocation_counts_at_once(
    postgres: Proxy, staff_user: User, redis_client: Redis
) -> None:
    make_entity("project")
    settings = connection.settings_dict
    with web_server(
        DATABASE_URL=f"postgresql://{settings['USER']}@127.0.0.1:{postgres.port}/{settings['NAME']}",
        CACHE_STALE_SECONDS="3600",
        DATABASE_POOL_SIZE="2",
        DATABASE_POOL_TIMEOUT_SECONDS="0.5",
        DATABASE_CONNECT_TIMEOUT_SECONDS="1",
    ) as url:
        headers = Program(url).headers

        def read() -> requests.Response:
            return requests.get(f"{url}/api/v1/entity/type/project", headers=headers, timeout=30)

        redis_client.delete("entity:metadata:project")  # this process has left it there, and keeps nothing for later
        fresh = read()
        assert (fresh.status_code, fresh.headers["X-Cache"]) == (200, "DB")
        postgres.set_mode(Mode.REFUSE)
        redis_client.delete("entity:metadata:project")  # it expires
        wait_for(lambda: read().headers["X-Cache"] == "STALE")
        stale = read()
        assert (stale.status_code, stale.content, stale.headers["ETag"]) == (200, fresh.content, fresh.headers["ETag"])
        assert stale.headers["Warning"] == '110 - "Response is Stale"'
        assert {read().headers["X-Cache"] for _ in range(20)} == {"STALE"}, "nothing replays it as fresh"
        User.objects.update(is_active=False)
        assert read().status_code == 401, "Redis was told"
        postgres.set_mode(Mode.PASS)
        assert read().status_code == 401
