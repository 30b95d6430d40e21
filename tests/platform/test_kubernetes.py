"""The files for Kubernetes, and those for many servers behind nginx, as far as they can be judged without either."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.urls import resolve

from pmo.web.middleware import ASKED_BY_ADDRESS
from tests.docs.pages import documented_settings
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
CONFIG = dict(re.findall(r"^(\w+)=(.*)$", (FOLDER / "config.env").read_text(), re.MULTILINE))
SECRETS = {
    "pmo": {"SECRET_KEY", "REDIS_PASSWORD", "METRICS_TOKEN"},
    "pmo-web": {"DATABASE_URL"},
    "pmo-migrate": {"DATABASE_URL"},
}
KUBERNETES = kubernetes_validate.latest_version()


def test_every_file_is_applied() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {
        *KUSTOMIZATION["resources"],
        "config.env",
        "kustomization.yml",
    }


@pytest.mark.parametrize("found", OBJECTS.values(), ids=map("-".join, OBJECTS))
def test_every_object_has_only_what_kubernetes_knows(found: dict[str, Any]) -> None:
    kubernetes_validate.validate(found, KUBERNETES, strict=True)


def test_every_variable_is_one_the_platform_reads_and_no_secret_is_in_the_configuration() -> None:
    assert CONFIG.keys() | set().union(*SECRETS.values()) <= documented_settings().keys()
    assert not CONFIG.keys() & set().union(*SECRETS.values())
    told = (FOLDER / "kustomization.yml").read_text().replace("\\\n#", "")
    for name, variables in SECRETS.items():
        [command] = re.findall(rf"create secret generic {name} (.*)", told)
        assert set(re.findall(r"--from-literal=(\w+)", command)) == variables


@pytest.mark.parametrize(("pod", "own"), [(WEB, "pmo-web"), (MIGRATE, "pmo-migrate")], ids=["web", "migrate"])
def test_servers_do_not_have_the_migrators_secret_and_no_service_becomes_a_variable(
    pod: dict[str, Any], own: str
) -> None:
    expected = [{"configMapRef": {"name": "pmo"}}, *({"secretRef": {"name": name}} for name in ("pmo", own))]
    assert all(each["envFrom"] == expected for each in (*pod["containers"], *pod.get("initContainers", ())))
    assert pod["enableServiceLinks"] is False, "REDIS_PORT would be tcp://..."


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
def test_a_changed_configuration_replaces_the_pods(tmp_path: Path) -> None:
    def build(folder: Path) -> tuple[str, list[dict[str, Any]]]:
        built = subprocess.check_output(["kubectl", "kustomize", str(folder)], text=True)
        found = list(yaml.safe_load_all(built))
        [web] = [each for each in found if each["kind"] == "Deployment"]
        [container] = web["spec"]["template"]["spec"]["containers"]
        return container["envFrom"][0]["configMapRef"]["name"], found

    before, found = build(FOLDER)
    assert {(each["kind"], each["metadata"]["name"]) for each in found} == OBJECTS.keys() | {("ConfigMap", before)}
    for each in found:
        kubernetes_validate.validate(each, KUBERNETES, strict=True)
    changed = shutil.copytree(FOLDER, tmp_path / "changed")
    (changed / "config.env").write_text("WORKERS=3\n")
    assert build(changed)[0] != before


def test_https_ends_at_the_ingress_and_logins_are_limited_there() -> None:
    names = {OBJECTS["Ingress", name]["metadata"]["name"] for kind, name in OBJECTS if kind == "Ingress"}
    assert names == {"pmo-web", "pmo-login"}
    for name in names:
        ingress = OBJECTS["Ingress", name]
        [rule], [tls] = ingress["spec"]["rules"], ingress["spec"]["tls"]
        assert [rule["host"]] == tls["hosts"] == CONFIG["ALLOWED_HOSTS"].split(",")
        assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/ssl-redirect"] == "true"
        assert {path["backend"]["service"]["name"] for path in rule["http"]["paths"]} == {"pmo-web"}
    login = OBJECTS["Ingress", "pmo-login"]
    paths = [path["path"] for path in login["spec"]["rules"][0]["http"]["paths"]]
    assert [resolve(path).view_name for path in paths] == ["api:login", "admin:login"]
    assert login["metadata"]["annotations"]["nginx.ingress.kubernetes.io/limit-rpm"] == "30"


@pytest.mark.parametrize("pod", [WEB, MIGRATE], ids=["web", "migrate"])
def test_pods_are_unprivileged_and_bounded(pod: dict[str, Any]) -> None:
    account = (ROOT / "deploy" / "Dockerfile").read_text().rpartition("\nUSER ")[2].split()[0]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", account)
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


def test_probes_ask_what_is_answered_under_any_name_where_it_is_listened() -> None:
    [container] = WEB["containers"]
    [port] = container["ports"]
    assert f"PORT={port['containerPort']}\n" in (ROOT / "deploy" / "Dockerfile").read_text()
    assert OBJECTS["Service", "pmo-web"]["spec"]["ports"][0]["targetPort"] == port["name"]
    names = {"startupProbe": "liveness", "livenessProbe": "liveness", "readinessProbe": "readiness"}
    for probe, view in names.items():
        request = container[probe]["httpGet"]
        assert resolve(request["path"]).view_name == view
        assert request["port"] == port["name"]
        assert request["path"] in ASKED_BY_ADDRESS
        assert "httpHeaders" not in request


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


def test_servers_wait_for_their_schema_and_the_finished_migration_goes_after_a_while() -> None:
    assert WEB["initContainers"][0]["command"] == ["python", "manage.py", "migrate", "--check"]
    assert MIGRATE["containers"][0]["command"] == SERVICES["migrate"]["command"]
    assert OBJECTS["Job", "pmo-migrate"]["spec"]["ttlSecondsAfterFinished"] > 3600


def test_policies_allow_what_is_needed_and_no_more() -> None:
    everyone = OBJECTS["NetworkPolicy", "pmo"]["spec"]
    assert everyone["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in everyone, "nobody may reach a pod unless another policy says so"
    assert {port["port"] for rule in everyone["egress"] for port in rule["ports"]} == {53, 5432, 6379, 26379, 4318}
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
