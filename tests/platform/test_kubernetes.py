"""The files for Kubernetes, and those for many servers behind nginx, as far as they can be judged without either."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from django.urls import resolve

from tests.platform.test_containers import SERVICES, WithoutDuplicates
from tests.servers import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yml").read_text())
OBJECTS: dict[tuple[str, str], dict[str, Any]] = {
    (found["kind"], found["metadata"]["name"]): found
    for name in KUSTOMIZATION["resources"]
    for found in yaml.load_all((FOLDER / name).read_text(), WithoutDuplicates)
}
WEB, MIGRATE = (
    OBJECTS[kind, name]["spec"]["template"]["spec"]
    for kind, name in (("Deployment", "pmo-web"), ("Job", "pmo-migrate"))
)
SECRETS = {"SECRET_KEY", "DATABASE_URL", "REDIS_PASSWORD", "METRICS_TOKEN"}


def test_every_file_is_applied() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {*KUSTOMIZATION["resources"], "kustomization.yml"}
    assert {kind for kind, _ in OBJECTS} == {
        "ConfigMap",
        "Job",
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "NetworkPolicy",
    }


def test_every_variable_is_one_the_platform_reads() -> None:
    table = (ROOT / "README.md").read_text().partition("## Configuration")[2]
    known = set(re.findall(r"`([A-Z][A-Z_]+)`", table))
    given = set(OBJECTS["ConfigMap", "pmo"]["data"])
    assert given | SECRETS <= known
    assert not given & SECRETS
    assert all(isinstance(value, str) for value in OBJECTS["ConfigMap", "pmo"]["data"].values())
    told = (FOLDER / "kustomization.yml").read_text()
    assert set(re.findall(r"--from-literal=(\w+)", told)) == SECRETS


@pytest.mark.parametrize("pod", [WEB, MIGRATE], ids=["web", "migrate"])
def test_pods_are_unprivileged_and_bounded(pod: dict[str, Any]) -> None:
    account = (ROOT / "deploy" / "Dockerfile").read_text().rpartition("\nUSER ")[2].split()[0]
    assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == account
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        assert container["image"] == KUSTOMIZATION["images"][0]["name"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        assert {source for each in container["envFrom"] for source in each} == {"configMapRef", "secretRef"}


def test_probes_ask_what_there_is_under_a_name_that_is_allowed() -> None:
    [container] = WEB["containers"]
    names = {"startupProbe": "liveness", "livenessProbe": "liveness", "readinessProbe": "readiness"}
    allowed = OBJECTS["ConfigMap", "pmo"]["data"]["ALLOWED_HOSTS"].split(",")
    for probe, view in names.items():
        request = container[probe]["httpGet"]
        assert resolve(request["path"]).view_name == view
        assert request["port"] in {port["name"] for port in container["ports"]}
        assert request["httpHeaders"] == [{"name": "Host", "value": allowed[0]}]


def test_ports_are_those_that_are_listened_on() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    assert f"PORT={WEB['containers'][0]['ports'][0]['containerPort']}\n" in dockerfile
    assert OBJECTS["Service", "pmo-web"]["spec"]["ports"][0]["targetPort"] == WEB["containers"][0]["ports"][0]["name"]


def test_updates_and_evictions_leave_servers_at_work() -> None:
    web = OBJECTS["Deployment", "pmo-web"]["spec"]
    assert web["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    budget = OBJECTS["PodDisruptionBudget", "pmo-web"]["spec"]
    assert 0 < budget["minAvailable"] < web["replicas"]
    assert budget["selector"] == web["selector"]
    assert web["selector"]["matchLabels"].items() <= web["template"]["metadata"]["labels"].items()
    assert OBJECTS["Service", "pmo-web"]["spec"]["selector"] == web["selector"]["matchLabels"]


def test_a_pod_has_time_to_drain_and_to_answer() -> None:
    from pmo.serve import OPTIONS

    *command, seconds = WEB["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert command == ["python", "-m", "pmo.drain"]
    readiness = WEB["containers"][0]["readinessProbe"]
    assert int(seconds) > readiness["periodSeconds"] * readiness["failureThreshold"]
    assert WEB["terminationGracePeriodSeconds"] > int(seconds) + int(OPTIONS["workers-kill-timeout"])


def test_servers_wait_for_their_schema() -> None:
    assert WEB["initContainers"][0]["command"] == ["python", "manage.py", "migrate", "--check"]
    assert MIGRATE["containers"][0]["command"] == SERVICES["migrate"]["command"]


def test_policies_allow_what_is_needed_and_no_more() -> None:
    everyone = OBJECTS["NetworkPolicy", "pmo"]["spec"]
    assert everyone["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in everyone, "nobody may reach a pod unless another policy says so"
    assert {port["port"] for rule in everyone["egress"] for port in rule["ports"]} == {53, 5432, 6379}
    [rule] = OBJECTS["NetworkPolicy", "pmo-web"]["spec"]["ingress"]
    assert rule["from"]
    assert [each["port"] for each in rule["ports"]] == ["http"]


class Merging(WithoutDuplicates):
    """As Docker Compose reads a file that is laid over another."""


Merging.add_constructor("!reset", lambda loader, node: loader.construct_sequence(node))


def test_many_servers_are_reached_through_nginx_alone() -> None:
    services = yaml.load((ROOT / "deploy" / "compose.scaled.yml").read_text(), Merging)["services"]
    assert services["web"]["ports"] == []
    assert services["proxy"]["ports"] == SERVICES["web"]["ports"]
    conf = "".join((ROOT / mount.split(":")[0]).read_text() for mount in services["proxy"]["volumes"])
    assert "server web:4000" in conf
    assert "listen 4000" in conf
    for guard in ("client_header_timeout", "client_body_timeout", "proxy_request_buffering on", "limit_conn "):
        assert guard in conf
