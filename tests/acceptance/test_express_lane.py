"""The express lane in a real server, over real HTTP."""

from __future__ import annotations

import pytest
import requests

from tests.api.conftest import client_of, make_user
from tests.conftest import make_entity
from tests.servers import platform_server

TYPE = "/api/v1/entity/type/project"


def test_every_replay_is_in_the_access_log(committed_db: None, capfd: pytest.CaptureFixture[str]) -> None:
    make_entity("project")
    token = client_of(make_user()).defaults["HTTP_AUTHORIZATION"]
    leases = {"CACHE_LOCAL_LEASE_MS": "2000"}  # so that a slow machine has replays too
    with platform_server(**leases, GRANIAN_LOG_ACCESS_ENABLED="true") as (url, _), requests.Session() as session:
        session.headers["Authorization"] = token
        sources = [session.get(url + TYPE, timeout=10).headers["X-Cache"] for _ in range(50)]
    assert sources.count("L1") > 25
    assert "".join(capfd.readouterr()).count(f'"GET {TYPE} HTTP/1.1" 200') == 50
