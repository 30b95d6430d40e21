"""The express lane in real servers, over real HTTP."""

from __future__ import annotations

import subprocess
from pathlib import Path

import requests
from rest_framework_simplejwt.tokens import AccessToken

from pmo.environment.listener import Listener
from pmo.serve import server_command
from tests.api.conftest import make_user
from tests.conftest import make_entity
from tests.servers import ROOT, free_port, wait_until_answering, worker_environment
from tests.waiting import wait_for

TYPE = "/api/v1/entity/type/project"
LONG_LEASES = {"CACHE_LOCAL_LEASE_MS": "2000"}
"""So that a slow machine has replays too."""


def test_every_replay_is_in_the_access_log(committed_db: None, tmp_path: Path) -> None:
    make_entity("project")
    headers = {"Authorization": f"Bearer {AccessToken.for_user(make_user())}"}
    port = free_port()
    environment = worker_environment() | LONG_LEASES | {"GRANIAN_LOG_ACCESS_ENABLED": "true"}
    with (tmp_path / "log").open("wb") as log:
        command = server_command(Listener(port=port, workers=1))
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as server:
            url = f"http://127.0.0.1:{port}"
            wait_until_answering(f"{url}/healthz", server.poll)
            sources = []
            with requests.Session() as session:
                for _ in range(50):
                    answer = session.get(url + TYPE, headers=headers, timeout=10)
                    sources.append(answer.headers["X-Cache"])
            line = f'"GET {TYPE} HTTP/1.1" 200'
            wait_for(lambda: (tmp_path / "log").read_text().count(line) >= 50)
            server.terminate()
    assert sources.count("L1") > 25
    assert (tmp_path / "log").read_text().count(line) == 50
