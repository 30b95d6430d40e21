"""What the pages name exists, what they say of it is so, and what there is is listed.

The console blocks that are neither slow nor destructive are run by tests/platform/test_launch.py.
"""

import ast
import csv
import json
import os
import re
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands, load_command_class

from cache_layer.options import Options
from pmo.people.sign_on import FURTHER, SOURCES
from tests.benchmarks.report.excerpt import BEGIN, END, PAGE, README, excerpt_of
from tests.docs.console import check_console_blocks, missing_programs
from tests.docs.pages import (
    PAGES,
    all_code,
    anchors_of,
    blocks_of,
    code_in,
    documented_settings,
    read_page,
    rows_of,
    section_of,
)
from tests.outages.asking import OPERATIONS
from tests.platform.running import launched
from tests.platform.test_monitoring import RULES, declared, family
from tests.servers import ROOT, run_program

FOLDERS = ("cache_layer", "entities", "pmo", "templates", "tests", "deploy", "docs")
SUFFIXES = ("py", "lua", "sql", "yml", "conf", "env", "csv", "acl", "toml", "txt")
OF_OTHERS = {
    *("COMPOSE_FILE", "GRANIAN_LOG_ACCESS_ENABLED", "OTEL_SERVICE_NAME", "OTEL_TRACES_SAMPLER", "RES_OPTIONS"),
    *("CACHE_LAYER", "IGNORE_EXCEPTIONS", "SET_NULL"),  # of projects that the library is for
    *("SUPERUSER_URL", "ON_ERROR_STOP", "DISABLE_SERVER_SIDE_CURSORS", "BY_CODE", "CACHE_EXPRESS_LANE"),
}
"""Names in capitals that are no settings of ours (the last was one)."""
NO_METRICS = {"cache_layer", "cache_layer_incident", "cache_layer_outbox", "cache_status", "cache_unavailable"}


def python_files() -> Iterator[Path]:
    for folder in ("cache_layer", "entities", "pmo"):
        yield from (ROOT / folder).rglob("*.py")


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", read_page(page)):
            address, _, anchor = target.partition("#")
            if not address.startswith("http"):
                file = (page.parent / address).resolve() if address else page
                assert file.exists(), f"{page.name}: {target}"
                assert not anchor or anchor in anchors_of(file), f"{page.name}: {target}"


def test_every_file_exists() -> None:
    there = [str(path) for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    for page in PAGES:
        named = re.findall(rf"(?<![\w/.-])((?:{'|'.join(FOLDERS)})/[\w./-]+)", read_page(page))
        missing = {
            name for name in named if not any((folder / name.rstrip(".")).exists() for folder in (ROOT, ROOT / "tests"))
        }
        assert missing == set(), page.name
        for name in re.findall(rf"`([\w/]+\.(?:{'|'.join(SUFFIXES)}))`", read_page(page)):
            assert (ROOT / name).exists() or any(path.endswith(f"/{name}") for path in there), f"{page.name}: {name}"


def test_every_room_is_in_the_architecture() -> None:
    named = {name for row in rows_of("docs/architecture.md") for name in code_in(row[0])}
    for package in ("cache_layer", "entities", "pmo"):
        rooms = {f"{room.parent.name}/" for room in (ROOT / package).glob("*/__init__.py")} - {"migrations/"}
        assert rooms - named == set(), package


def test_every_setting_that_is_read_is_listed_and_every_name_in_capitals_is_known() -> None:
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "pmo" / "settings.py").read_text()))
    read |= {f"CACHE_{name.upper()}" for name in Options.LIMITS} | {
        *SOURCES,
        *FURTHER,
        "HOST",
        "PORT",
        "WORKERS",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    }
    listed = documented_settings()
    assert read - {"CACHE_EXPRESS_LANE"} == listed.keys()
    deployed = [ROOT / "docker-compose.yml", *(ROOT / "deploy").glob("*.yml")]
    known = (
        listed.keys() | OF_OTHERS | {name for file in deployed for name in re.findall(r"\$\{(\w+)", file.read_text())}
    )
    project = (ROOT / "tests" / "library" / "project" / "settings.py").read_text()
    known |= set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", project)) | {"DJANGO_SETTINGS_MODULE"}
    for page in PAGES:
        named = {name for code in all_code(page) for name in re.findall(r"\b[A-Z]+_[A-Z_]+\b", code)}
        assert named - known == set(), page.name


def test_a_default_that_is_said_again_is_the_same() -> None:
    defaults = documented_settings()
    for page in PAGES:
        for name, said in re.findall(r"`([A-Z_]+)` \(`?(\d[\d,]*)`?\b", read_page(page)):
            assert defaults[name] in (None, said.replace(",", "")), f"{page.name}: {name} ({said})"


def test_every_metric_is_listed_and_every_one_named_is_there(db: None) -> None:
    names = declared()
    listed = {name for row in rows_of("docs/monitoring.md", "## Prometheus and Grafana") for name in code_in(row[1])}
    assert {family(name) for name in listed} == {family(name) for name in names}
    assert listed - names.keys() <= {family(name) for name in names}
    for page in PAGES:
        named = {code for code in all_code(page) if re.fullmatch(r"cache_[a-z_]+", code)}
        assert named - listed - NO_METRICS == set(), page.name


def test_every_alert_is_in_the_runbook_and_no_other() -> None:
    explained = re.findall(r"^### (.+)$", section_of("docs/runbook.md", "## Alerts"), re.MULTILINE)
    assert sorted(explained) == sorted(rule["alert"] for rule in RULES)


def test_an_alert_leads_to_what_to_type_and_when_it_is_over() -> None:
    for rule in RULES:
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert (page, anchor) == ("{{ $externalLabels.runbook }}", rule["alert"].lower())
        said = section_of("docs/runbook.md", f"### {rule['alert']}")
        assert said.strip().lower().startswith(rule["labels"]["severity"]), anchor
        assert re.search(r"\*\*Type\*\*.*`.*\*\*Over\*\*", said, re.DOTALL), anchor


def test_every_event_of_the_log_is_listed_and_no_other() -> None:
    logged = set()
    for source in (source for file in python_files() if "logger." in (source := file.read_text())):
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="logger"), attr=level),
                    args=[ast.Constant(value=str(text)), *_],
                ):
                    logged.add((text.replace("%s", "..."), level == "debug"))
    listed = {
        (name, "(debug)" in cell) for cell, _ in rows_of("docs/monitoring.md", "## The log") for name in code_in(cell)
    }
    assert listed == logged


def test_every_system_check_is_listed_and_every_one_named_is_there() -> None:
    source = "".join(file.read_text() for file in (ROOT / "cache_layer").rglob("*.py"))
    ids = set(re.findall(r'id="(cache_layer\.[EW]\d+)"', source))
    assert set(code_in(section_of("docs/monitoring.md", "## System checks"))) >= ids
    for page in PAGES:
        assert set(re.findall(r"cache_layer\.[EW]\d+", read_page(page))) <= ids, page.name


def test_every_reason_of_an_error_is_one_that_is_given() -> None:
    source = "".join(file.read_text() for file in python_files())
    for cell, *_ in rows_of("docs/outages.md", "## Reasons"):
        assert all(f'"{code}"' in source for code in code_in(cell)), cell


def test_every_make_target_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = {name for code in all_code(page) for name in re.findall(r"\bmake ([a-z]+)", code)}
        assert named <= targets, page.name


def test_every_command_takes_the_options_that_it_is_given() -> None:
    commands = get_commands()
    seen = set()
    for page in PAGES:
        for code in all_code(page):
            for name, rest in re.findall(r"manage\.py ([a-z_]+)([^|;]*)", code):
                assert name in commands, f"{page.name}: {code}"
                parser = load_command_class(commands[name], name).create_parser("manage.py", name)
                unknown = set(re.findall(r"--[a-z-]+", rest)) - parser._option_string_actions.keys()
                assert unknown == set(), f"{page.name}: {code}"
                seen.add(name)
    ours = {name for name, app in commands.items() if app in ("cache_layer", "entities", "pmo")}
    assert ours - seen <= {code for page in PAGES for code in all_code(page)}


def test_every_module_that_is_run_or_imported_is_there() -> None:
    for page in PAGES:
        named = re.findall(r"(?:python -m|from) ((?:cache_layer|entities|pmo|tests)[\w.]*)", read_page(page))
        assert [name for name in named if not find_spec(name)] == [], page.name


def test_every_block_of_shell_is_one() -> None:
    blocks = [block for page in PAGES for block in blocks_of(page, "bash")]
    for block in blocks:
        assert block.text.strip(), block.where
    text = "\n".join(block.text for block in blocks)
    done = run_program("bash", "-n", input=text, env=os.environ)
    assert (done.returncode, done.stderr) == (0, "")


def test_there_is_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.findall(r"^## (\S+)$", read_page(ROOT / "CHANGELOG.md"), re.MULTILINE)[0] == version
    assert f"PMO_IMAGE=pmo-entity-cache:{version}" in read_page(ROOT / "docs" / "compose.md")
    assert f"PMO_IMAGE=pmo-entity-cache:{version}" in (ROOT / "deploy" / ".env.example").read_text()
    kustomization = yaml.safe_load((ROOT / "deploy" / "kubernetes" / "kustomization.yml").read_text())
    assert kustomization["images"][0]["newTag"] == version


def test_the_catalogue_has_as_many_types_as_is_said() -> None:
    types = len(json.loads((ROOT / "entities" / "data" / "catalogue.json").read_text()))
    assert f"loads {types} entity types" in " ".join(read_page(README).split())
    assert f"the first {types} types" in read_page(ROOT / "docs" / "architecture.md")


def test_how_many_servers_is_computed_from_the_defaults() -> None:
    pool = int(documented_settings()["DATABASE_POOL_SIZE"] or 0)
    rows = rows_of("docs/operations.md", "## How many servers")
    for servers, commands, _, connections in rows:
        processes = 2 * int(servers.replace(",", ""))
        assert commands == f"{processes * 1000 / (0.6 * Options.local_lease_ms):,.0f}"
        assert connections == f"{processes:,} to {processes * pool:,}"
    busy = (100 - 3 - 1) // (2 * pool)
    assert (busy, str(busy)) == (6, rows[1][0])
    assert "at six busy servers" in section_of("docs/operations.md", "## How many servers")


def test_the_readme_has_the_figures_of_the_benchmarks() -> None:
    said = "to mend it: python -m tests.benchmarks.report.excerpt"
    assert f"{BEGIN}\n{excerpt_of(PAGE.read_text())}\n{END}" in README.read_text(), said


def test_the_summary_of_outages_is_of_its_rows() -> None:
    with (ROOT / "docs" / "outages.csv").open() as file:
        rows = list(csv.DictReader(file))
    summary = " ".join(section_of("docs/outages.md", "## The matrix").split())
    assert f"{len(rows)} combinations, {5 * len(rows)} requests, 0 promises broken" in summary
    slowest = re.findall(r"(\w+) (\d\.\d\d) s[, ]", summary.partition("slowest answers: ")[2])
    assert slowest == [(name, f"{max(float(row[name].split()[-2]) for row in rows):.2f}") for name in OPERATIONS]


def test_every_threat_names_tests_that_exist() -> None:
    shown = yaml.safe_load((ROOT / "tests" / "docs" / "threats.yml").read_text())
    assert [threat for threat, _ in rows_of("docs/security.md")] == list(shown)
    source = "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"def (test_\w+)\(", source))
    assert {threat: missing for threat, tests in shown.items() if (missing := {*tests} - defined)} == {}


@pytest.mark.proof
@pytest.mark.skipif(bool(missing_programs()), reason="the console blocks of the pages need curl and jq")
def test_every_console_block_prints_what_its_page_says(tmp_path: Path) -> None:
    with launched(tmp_path / ".data") as launch:
        check_console_blocks(launch, proofs=True)
