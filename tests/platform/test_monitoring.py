"""Alerts, dashboard and scrape configuration name what /metrics exposes; the runbook is compared in tests/docs."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import promql_parser
import pytest
import yaml
from django.test import override_settings
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families
from rest_framework.test import APIClient

from cache_layer import metrics
from pmo.monitoring.metrics import Engines
from tests.platform.test_containers import PROJECT, SERVICES
from tests.platform.test_kubernetes import OBJECTS
from tests.servers import ROOT, TOOLS, run_program

PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
BOARD: dict[str, Any] = json.loads((GRAFANA / "pmo-entity-cache.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
ANNOTATIONS = [each["expr"] for each in BOARD["annotations"]["list"] if "expr" in each]
EXPRESSIONS = [rule["expr"] for rule in RULES] + QUERIES + ANNOTATIONS
OF_PROMETHEUS = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate", "severity"}}
OF_TARGETS = {"job", "instance"}
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
DURATION = re.compile(r"\d+[smhd]")


def parse(expression: str) -> promql_parser.Expr:
    for variable, value in {"$__rate_interval": "1m", "$__range": "1h"}.items():
        expression = expression.replace(variable, value)
    return promql_parser.parse(expression)


def nodes(expression: str) -> list[Any]:
    found: list[Any] = []
    promql_parser.walk(parse(expression), found.append)
    return found


def selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    for node in nodes(expression):
        if isinstance(node, promql_parser.MatrixSelector):
            yield node.vector_selector
        elif isinstance(node, promql_parser.VectorSelector):
            yield node


def declared() -> dict[str, tuple[set[str], str]]:
    """The label names and help text of every sample that can be exposed, by the sample's name."""
    found: dict[str, tuple[set[str], str]] = {}
    counted = [each for each in vars(metrics).values() if isinstance(each, Counter | Gauge | Histogram)]
    families = [(family, set(each._labelnames)) for each in counted for family in each.describe()]
    for family, labels in [*families, *((family, set[str]()) for family in Engines().collect())]:
        for suffix in SUFFIXES[family.type]:
            bound = {"le"} if suffix == "_bucket" else set[str]()
            found[family.name + suffix] = (labels | bound, family.documentation)
    return found


@pytest.fixture
def exposed(db: None) -> dict[str, tuple[set[str], str]]:
    """What /metrics really has, with the labels declared for it; a labelled counter has no sample before it counts."""
    with override_settings(METRICS_TOKEN="a secret"):
        answer = APIClient().get("/metrics", headers={"Authorization": "Bearer a secret"})
    known = declared()
    found: dict[str, tuple[set[str], str]] = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for suffix in SUFFIXES.get(family.type, ()):
            if family.name.startswith("cache_") and not family.name.endswith("_created"):
                found[family.name + suffix] = known[family.name + suffix]
        for sample in family.samples:
            if sample.name in found:
                assert set(sample.labels) == found[sample.name][0], sample
    return found


def test_every_expression_parses_and_names_only_what_is_exposed(exposed: dict[str, tuple[set[str], str]]) -> None:
    for expression in EXPRESSIONS:
        check_names(expression, exposed)


def check_names(expression: str, exposed: dict[str, tuple[set[str], str]]) -> None:
    names = exposed | {name: (labels, "") for name, labels in OF_PROMETHEUS.items()}
    available = set(OF_TARGETS)
    found = list(selectors(expression))
    assert found, f"{expression} selects nothing"
    for selector in found:
        assert selector.name in names, f"{selector.name} is not in /metrics"
        labels, help_text = names[selector.name]
        available |= labels
        for matcher in selector.matchers.matchers:
            assert matcher.name in labels | OF_TARGETS, f"{selector.name} has no label {matcher.name}"
            if selector.name in exposed and matcher.name not in OF_TARGETS:
                for value in matcher.value.split("|"):
                    assert re.search(rf"\b{value}\b", help_text), f"{selector.name} never has {matcher.name}={value}"
    for node in nodes(expression):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            assert set(node.modifier.labels) <= available, expression


def test_every_figure_is_on_the_dashboard(exposed: dict[str, tuple[set[str], str]]) -> None:
    shown = {family(selector.name or "") for query in QUERIES for selector in selectors(query)}
    assert {family(name) for name in exposed} - shown == set()


def family(sample: str) -> str:
    return re.sub(r"_(total|bucket|count|sum)$", "", sample)


def test_a_histograms_quantile_keeps_its_buckets() -> None:
    for expression in EXPRESSIONS:
        for node in nodes(expression):
            if isinstance(node, promql_parser.Call) and node.func.name == "histogram_quantile":
                aggregate = node.args[1]
                assert isinstance(aggregate, promql_parser.AggregateExpr), expression
                assert aggregate.modifier, expression
                assert "le" in aggregate.modifier.labels, expression


def test_an_alert_says_how_bad_it_is_and_what_to_do(subtests: pytest.Subtests) -> None:
    for rule in RULES:
        with subtests.test(rule=rule):
            assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
            assert rule["labels"]["severity"] in ("critical", "warning")
            assert DURATION.fullmatch(rule["for"])
            assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
            assert all(rule["annotations"].values())


def test_the_scrape_configuration_fits_the_containers_and_the_alerts() -> None:
    configuration = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert all((PROMETHEUS / file).is_file() for file in configuration["rule_files"])
    jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
    assert jobs.keys() == {"pmo-web"}
    [found] = jobs["pmo-web"]["dns_sd_configs"]
    assert found["type"] == "A", "one target for each replica"
    assert SERVICES[found["names"][0]]["ports"] == [f"127.0.0.1:{found['port']}:{found['port']}"]
    token = jobs["pmo-web"]["authorization"]["credentials_file"]
    [secret] = SERVICES["prometheus"]["secrets"]
    assert token == f"/run/secrets/{secret}"
    assert PROJECT["secrets"] == {secret: {"environment": "METRICS_TOKEN"}}
    assert configuration["global"]["external_labels"] == {"runbook": "${RUNBOOK_URL}"}
    assert SERVICES["prometheus"]["environment"]["RUNBOOK_URL"] == "${RUNBOOK_URL:-docs/runbook.md}"


def test_in_kubernetes_each_pod_is_a_target_by_its_address() -> None:
    [job] = yaml.safe_load((PROMETHEUS / "kubernetes.yml").read_text())["scrape_configs"]
    assert job["job_name"] == "pmo-web"
    pod = OBJECTS["Deployment", "pmo-web"]["spec"]["template"]
    labels, port, name = job["relabel_configs"]
    assert labels["regex"] == "{app};{part}".format(**pod["metadata"]["labels"])
    assert port["regex"] == pod["spec"]["containers"][0]["ports"][0]["name"]
    assert name["target_label"] == "instance"


def test_the_dashboard_belongs_to_no_installation() -> None:
    assert BOARD["id"] is None
    assert BOARD["schemaVersion"] >= 39
    assert [(each["name"], each["type"], each["query"]) for each in BOARD["templating"]["list"]] == [
        ("datasource", "datasource", "prometheus")
    ]
    named = set(re.findall(r'"uid": "([^"]+)"', json.dumps(BOARD)))
    assert named == {"${datasource}", "-- Grafana --", BOARD["uid"]}
    assert all(panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"} for panel in PANELS)
    rows = [panel["title"] for panel in BOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Reading", "Changing", "Engines", "Relay & audit"]


def test_a_panel_is_described_in_a_sentence_and_has_a_unit(subtests: pytest.Subtests) -> None:
    for panel in PANELS:
        with subtests.test(panel=panel):
            assert len(panel["description"]) > 30
            assert panel["description"].endswith(".")
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["type"] in ("timeseries", "stat")
            assert all(target["refId"] and target["legendFormat"] for target in panel["targets"])


def test_panels_fit_the_grid_and_do_not_overlap() -> None:
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        {(x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])}
        for g in (panel["gridPos"] for panel in panels)
    ]
    assert all(x < 24 for cell in cells for x, _ in cell)
    assert all(not one & other for one, other in combinations(cells, 2))


def test_provisioning_points_at_the_mounted_dashboard() -> None:
    path = yaml.safe_load((GRAFANA / "provider.yml").read_text())["providers"][0]["options"]["path"]
    source = yaml.safe_load((GRAFANA / "datasource.yml").read_text())["datasources"][0]
    mounts = [mount.split(":")[1] for mount in SERVICES["grafana"]["volumes"]]
    assert f"{path}/pmo-entity-cache.json" in mounts
    assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")


TOOL = shutil.which("promtool", path=TOOLS)
PROMTOOL = [
    ("check", "rules", "alerts.yml"),
    ("check", "config", "--syntax-only", "prometheus.yml"),
    ("test", "rules", "alerts_test.yml"),
]


@pytest.mark.skipif(not TOOL, reason="there is no promtool: `make tools` unpacks Debian's")
@pytest.mark.parametrize("arguments", PROMTOOL, ids=" ".join)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    done = run_program(str(TOOL), *arguments, cwd=PROMETHEUS, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
