"""`seed_entities` adds what is missing, and respects what staff did."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from entities.changes import purge_entity
from entities.files.catalogue import CATALOGUE_FILE
from entities.models import Entity
from tests.commands.conftest import run
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("committed_db")

CATALOGUE: list[dict[str, Any]] = json.loads(CATALOGUE_FILE.read_text())
PROJECT = {"code": "project", "label": "Project", "label_plural": "Projects", "icon": "FolderKanban"}


@pytest.fixture
def seed(tmp_path: Path) -> Callable[..., str]:
    def seed(*entries: Any, **options: Any) -> str:
        file = tmp_path / "catalogue.json"
        file.write_text(json.dumps(entries))
        return run("seed_entities", "--file", str(file), **options)

    return seed


def test_the_catalogue_is_loaded_whole_and_in_its_order() -> None:
    named = "project task office business customer employee role wiki artifact form expense revenue"
    assert run("seed_entities") == f"{len(CATALOGUE)} created, 0 unchanged (kept as edited), 0 overwritten\n"
    assert len(CATALOGUE) >= 25
    assert {entry["code"] for entry in CATALOGUE}.issuperset(named.split())
    rows = {entity.code: entity for entity in Entity.objects.all()}
    assert list(rows) == [entry["code"] for entry in CATALOGUE]
    for number, entry in enumerate(CATALOGUE, start=1):
        row = rows[entry["code"]]
        assert {name: getattr(row, name) for name in entry} == entry
        assert (row.entity_type, row.active_flag, row.display_order) == (row.code, True, number * 10)


def test_a_second_run_writes_nothing() -> None:
    run("seed_entities")
    with CaptureQueriesContext(connection) as queries:
        assert run("seed_entities") == f"0 created, {len(CATALOGUE)} unchanged (kept as edited), 0 overwritten\n"
    assert not {query["sql"].partition(" ")[0] for query in queries} & {"INSERT", "UPDATE", "DELETE"}


def test_what_staff_edited_is_kept_and_what_is_missing_added(seed: Callable[..., str]) -> None:
    make_entity("project", label="Venture", display_order=7, active_flag=False)
    task = {"code": "task", "label": "Task", "label_plural": "Tasks", "icon": "Flag", "child_entity_codes": ["project"]}
    assert seed(PROJECT, task) == "1 created, 1 unchanged (kept as edited), 0 overwritten\n"
    kept = Entity.objects.get(code="project")
    assert (kept.label, kept.display_order, kept.active_flag) == ("Venture", 7, False)


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_only_forms_refuse_in_other_columns_stays_as_it_is(seed: Callable[..., str], overwrite: bool) -> None:
    make_entity("project", label="Venture")
    Entity.objects.update(entity_type="by\tSQL")
    done = "0 unchanged (kept as edited), 1 overwritten" if overwrite else "1 unchanged (kept as edited), 0 overwritten"
    assert seed(PROJECT, overwrite=overwrite) == f"0 created, {done}\n"
    row = Entity.objects.get(code="project")
    assert (row.label, row.entity_type) == ("Project" if overwrite else "Venture", "by\tSQL")


def test_overwrite_sets_back_what_was_edited_but_not_whether_it_is_active(seed: Callable[..., str]) -> None:
    seed(PROJECT, PROJECT | {"code": "task"})
    before = {entity.code: entity.modified_ts for entity in Entity.objects.all()}
    Entity.objects.filter(code="project").update(label="Venture", child_entity_codes=["task"], active_flag=False)
    printed = seed(PROJECT, PROJECT | {"code": "task"}, overwrite=True)
    assert printed == "0 created, 1 unchanged (kept as edited), 1 overwritten\n"
    row = Entity.objects.get(code="project")
    assert (row.label, row.child_entity_codes, row.active_flag) == ("Project", [], False)
    assert row.modified_ts > before["project"]
    assert Entity.objects.get(code="task").modified_ts == before["task"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_was_removed_stays_removed_until_it_is_asked_for(seed: Callable[..., str], overwrite: bool) -> None:
    task = PROJECT | {"code": "task"}
    portfolio = PROJECT | {"code": "portfolio", "child_entity_codes": ["task", "project"]}
    seed(PROJECT, task)
    purge_entity("task", detach=True)
    for created in (1, 0):  # a catalogue that is longer than the last time, and the same again
        printed = seed(PROJECT, task, portfolio, overwrite=overwrite)
        assert printed.splitlines() == [
            f"{created} created, {2 - created} unchanged (kept as edited), 0 overwritten",
            "left out, as they were removed (--with-removed): task",
        ]
    assert Entity.objects.get(code="portfolio").child_entity_codes == ["project"]
    assert seed(PROJECT, task, portfolio, with_removed=True).startswith("1 created, 2 unchanged")
    Entity.objects.filter(code="task").update(label="Chore")
    assert seed(PROJECT, task, portfolio).startswith("0 created, 3 unchanged")


def test_however_many_change_there_is_one_wait(seed: Callable[..., str], waits: list[float]) -> None:
    make_entity("project", label="Venture")
    waits.clear()
    seed(PROJECT, *(PROJECT | {"code": f"type_{number}"} for number in range(50)), overwrite=True)
    assert len(waits) == 1


def test_a_bad_entry_is_named_and_nothing_written(seed: Callable[..., str], subtests: pytest.Subtests) -> None:
    for entries, message in [
        ([PROJECT, PROJECT | {"code": "Task"}], r"Row 2, code: Use a lower-case letter.* \(given: Task\)"),
        ([PROJECT | {"code": "types"}], r"Row 1, code: types is reserved"),
        ([PROJECT | {"icon": "Nope"}, PROJECT], r"Row 1, icon: Nope is not a Lucide icon"),
        ([PROJECT | {"colour": "red"}], r"unknown field `colour` - at `\$\[0\]`"),
        ([PROJECT | {"label": 5}], r"Expected `str`, got `int` - at `\$\[0\]\.label`"),
        ([{"code": "task"}], r"Object missing required field `label` - at `\$\[0\]`"),
        ([PROJECT, "task"], r"Expected `object`, got `str` - at `\$\[1\]`"),
        ([PROJECT, PROJECT], r"Row 2, code: “project” is in row 1 already"),
        ([PROJECT | {"child_entity_codes": ["a", "a"]}], r"Listed more than once: a\."),
        ([PROJECT | {"child_entity_codes": ["project", "nope", "task"]}], r"Unknown entity types: nope, task"),
    ]:
        with subtests.test(entries=entries, message=message):
            with pytest.raises(CommandError, match=message):
                seed(*entries)
            assert not Entity.objects.exists()


def test_children_may_be_in_the_database_alone(seed: Callable[..., str]) -> None:
    make_entity("task")
    seed(PROJECT | {"child_entity_codes": ["task"]})
    assert Entity.objects.get(code="project").child_entity_codes == ["task"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", "is not a JSON array"), ("[", "is not a JSON array"), (None, r"catalogue\.json: No such file")],
)
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "catalogue.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(CommandError, match=message):
        run("seed_entities", "--file", str(file))


def test_the_catalogue_is_loaded_without_redis(redis_down: None, seed: Callable[..., str]) -> None:
    assert seed(PROJECT).startswith("1 created")


def test_a_former_icon_is_loaded_as_it_is_and_told(seed: Callable[..., str]) -> None:
    said = seed(PROJECT | {"icon": "GitCommit"})
    assert "Lucide calls the icon GitCommit GitCommitHorizontal now; both names work." in said
    assert Entity.objects.get().icon == "GitCommit"
