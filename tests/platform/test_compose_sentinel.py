"""The files for a Redis behind Sentinel in containers: what is in them is tried with servers of our own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cache_layer.location import Location
from tests.platform.test_containers import SERVICES as BESIDE
from tests.platform.test_containers import WithoutDuplicates
from tests.servers import ROOT
from tests.topologies import HOST, Server, wait_until

SERVICES: dict[str, Any] = yaml.load((ROOT / "deploy" / "compose.sentinel.yml").read_text(), WithoutDuplicates)[
    "services"
]
REDIS = [name for name, service in SERVICES.items() if service.get("command", [""])[0] == "redis-server"]
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


@pytest.mark.parametrize("name", REDIS)
def test_a_server_has_what_the_promise_demands_and_its_own_name(name: str, tmp_path: Path) -> None:
    _, *options = SERVICES[name]["command"]
    if "--replicaof" in options:
        assert options[-2:] == ["redis", "6379"]
        del options[options.index("--replicaof") :]
    server = Server(tmp_path / name, options)
    server.start()
    try:
        wait_until(server.answers)
        found = {
            option: server.ask("CONFIG", "GET", option)[1].decode() for option in (*DEMANDED, "replica-announce-ip")
        }
    finally:
        server.stop()
    assert found == DEMANDED | {"replica-announce-ip": name}


def test_a_sentinel_takes_its_file(tmp_path: Path) -> None:
    written = (ROOT / "deploy" / "redis" / "sentinel.conf").read_text()
    file = tmp_path / "sentinel.conf"
    file.write_text(re.sub(r" redis 6379 ", f" {HOST} 1 ", written))
    sentinel = Server(tmp_path / "sentinel", (str(file), "--sentinel"))
    sentinel.start()
    try:
        wait_until(sentinel.answers)
        answer = sentinel.ask("SENTINEL MASTER", "pmo")
    finally:
        sentinel.stop()
    assert (answer["quorum"], answer["down-after-milliseconds"]) == (2, 5000)
