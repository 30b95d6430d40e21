"""The files for a Redis behind Sentinel in containers: what is in them is tried with servers of our own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from cache_layer.server.location import Location
from pmo.processes import start_process
from pmo.run.engines.valkey import server_program
from tests.platform.test_containers import SERVICES as BESIDE
from tests.platform.test_containers import WithoutDuplicates
from tests.servers import ROOT
from tests.topologies import HOST, Server
from tests.waiting import wait_for

SERVICES: dict[str, Any] = yaml.load((ROOT / "deploy" / "compose.sentinel.yml").read_text(), WithoutDuplicates)[
    "services"
]
FOLDER = ROOT / "deploy" / "redis"
REDIS = [name for name, service in SERVICES.items() if "/etc/pmo/start.sh" in service.get("command", ())]
DEMANDED = {
    "min-replicas-to-write": "1",
    "min-replicas-max-lag": "3",
    "save": "",
    "appendonly": "no",
    "maxmemory-policy": "noeviction",
}


def test_every_part_of_the_platform_asks_the_sentinels_that_run() -> None:
    urls = {SERVICES[name]["environment"]["REDIS_URL"] for name in ("web", "migrate")}
    location = Location.of(*urls)
    assert (location.kind, location.path) == ("sentinel", "pmo")
    assert sorted(host for host, _ in location.addresses) == sorted(name for name in SERVICES if "sentinel-" in name)
    assert SERVICES.keys() - BESIDE.keys() == {*REDIS, "sentinel-1", "sentinel-2", "sentinel-3"} - {"redis"}


@dataclass
class Container(Server):
    """A server, started by the script that a container starts; `options` are the script and its arguments."""

    environment: dict[str, str] = field(default_factory=dict)
    scripts: Path = FOLDER

    def start(self) -> None:
        self.directory.mkdir()
        (self.directory / "redis-server").symlink_to(server_program())
        script, *arguments = self.options
        place = ["--port", str(self.port), "--bind", HOST, "--dir", str(self.directory)]
        self.process = start_process(
            ["sh", str(self.scripts / Path(script).name), *arguments, *place],
            farewell=signal.SIGKILL,
            env=os.environ | {"PATH": f"{self.directory}:{os.environ['PATH']}"} | self.environment,
        )


@pytest.mark.parametrize("name", REDIS)
def test_a_server_has_what_the_promise_demands_and_its_own_name(name: str, tmp_path: Path) -> None:
    shell, *options = SERVICES[name]["command"]
    assert shell == "sh"
    if "--replicaof" in options:
        assert options[-2:] == ["redis", "6379"]
        del options[options.index("--replicaof") :]
    with Container(tmp_path / name, options) as server:
        wait_for(server.answers)
        names = (*DEMANDED, "replica-announce-ip")
        found = {option: server.ask("CONFIG", "GET", option)[1].decode() for option in names}
    assert found == DEMANDED | {"replica-announce-ip": name}


def test_whoever_has_no_password_is_refused_and_the_password_is_no_argument(tmp_path: Path) -> None:
    password = 'a "quoted" \\ $HOME'
    environment = {"REDISCLI_AUTH": password, "REDIS_MAXMEMORY": "64mb"}
    once = {"protocol": 2, "retry": Retry(NoBackoff(), 0)}
    with (
        Container(tmp_path / "redis", BESIDE["redis"]["command"][1:], environment=environment) as server,
        Redis(port=server.port, password=password, **once) as client,
        Redis(port=server.port, **once) as nobody,
    ):
        wait_for(lambda: is_answering(client))
        expected = {"maxmemory": str(64 * 1024 * 1024), "maxmemory-policy": "noeviction"}
        assert client.config_get("maxmemory*").items() >= expected.items()
        assert client.config_get("masterauth") == {"masterauth": password}
        with pytest.raises(AuthenticationError, match="required"):
            nobody.ping()
        assert server.process is not None
        assert password.encode() not in Path(f"/proc/{server.process.pid}/cmdline").read_bytes()


def is_answering(client: Redis) -> bool:
    with contextlib.suppress(RedisConnectionError):
        return bool(client.ping())
    return False


def test_a_sentinel_takes_its_file_and_the_servers_password(tmp_path: Path) -> None:
    written = re.sub(r" redis 6379 ", f" {HOST} 1 ", (FOLDER / "sentinel.conf").read_text())
    (tmp_path / "sentinel.conf").write_text(written)
    shutil.copy(FOLDER / "sentinel.sh", tmp_path)
    own = tmp_path / "own.conf"
    environment = {"REDISCLI_AUTH": 'p"w', "SENTINEL_FILE": str(own)}
    command = SERVICES["sentinel-1"]["command"][1:]
    with Container(tmp_path / "sentinel", command, environment=environment, scripts=tmp_path) as sentinel:
        wait_for(sentinel.answers)
        answer = sentinel.ask("SENTINEL MASTER", "pmo")
    assert (answer["quorum"], answer["down-after-milliseconds"]) == (2, 5000)
    assert 'sentinel auth-pass pmo "p\\"w"' in own.read_text()
    assert own.stat().st_mode & 0o077 == 0
