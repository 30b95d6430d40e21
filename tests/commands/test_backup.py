"""`backup_entities` and `restore_entities`: all is as it was, for readers too, or nothing has changed."""

import json
import os
import runpy
import stat
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError
from redis import Redis

from entities.changes import change_entity, purge_entity
from entities.files import rows as files
from entities.files.columns import COLUMNS
from entities.files.rows import EntityResource
from entities.models import Entity, EntityEvent
from entities.services import get_entity_infrastructure
from tests.admin.conftest import before_the_next
from tests.commands.conftest import run
from tests.conftest import make_entity, make_linked, sql
from tests.platform.running import permissions_of
from tests.servers import ROOT, worker_environment

service = get_entity_infrastructure()


@pytest.fixture(autouse=True)
def _types(committed_db: None, set_options: Any) -> None:
    set_options(local_lease_ms=1)
    make_entity("task", label="Tâsk “1”", display_order=-3)
    make_entity("wiki", active_flag=False)
    make_entity("project", child_entity_codes=["wiki", "task"], entity_type="work", icon="Flag")


@pytest.fixture
def backup(tmp_path: Path) -> str:
    run("backup_entities", str(tmp_path / "types.json"))
    return str(tmp_path / "types.json")


def rows() -> list[tuple[Any, ...]]:
    return list(Entity.objects.order_by("code").values_list(*COLUMNS))


def change_everything() -> None:
    change_entity("project", {"label": "Venture", "child_entity_codes": ["task"]})
    make_linked(risk="project", issue="risk")
    change_entity("task", {"active_flag": False, "display_order": 7})
    purge_entity("wiki")
    service.get_all_entity()
    for code in ("project", "task", "wiki", "risk"):
        service.get_entity(code)


def test_a_round_trip_brings_everything_back_and_readers_see_it(backup: str, redis_client: Redis) -> None:
    before = rows()
    change_everything()
    assert run("restore_entities", backup, "--remove-others") == "1 created, 2 changed, 0 unchanged, 2 removed\n"
    assert rows() == before
    assert [each.code for each in service.get_all_entity()] == ["task", "project"]
    assert service.get_entity("project").label == "Project"  # type: ignore[union-attr]
    assert service.get_entity("risk") is None
    assert json.loads(redis_client.get("entity:metadata:project"))["child_entity_codes"] == ["wiki", "task"]
    assert EntityEvent.objects.filter(code="project").count() == 3, "restoring is a change like any other"
    assert run("restore_entities", backup, "--remove-others") == "0 created, 0 changed, 3 unchanged, 0 removed\n"


def test_removed_types_may_list_each_other_however_many_there_are(backup: str) -> None:
    codes = [f"type_{number}" for number in range(150)]
    Entity.objects.bulk_create(
        Entity(code=code, label="x", label_plural="x", icon="Flag", child_entity_codes=codes[:1] + codes[-1:])
        for code in codes
    )
    assert run("restore_entities", backup, "--remove-others").endswith("3 unchanged, 150 removed\n")


def test_values_that_only_sql_can_write_are_restored_too(tmp_path: Path) -> None:
    odd = "label = '', label_plural = E'a\\u0007b', icon = 'NoSuchIcon', display_order = -2147483648"
    sql(f"UPDATE app.entity SET {odd} WHERE code = 'project'")
    before = rows()
    run("backup_entities", str(tmp_path / "types.json"))
    change_everything()
    run("restore_entities", str(tmp_path / "types.json"), "--remove-others")
    assert rows() == before


def test_types_missing_from_the_file_are_kept_unless_told_otherwise(backup: str) -> None:
    make_entity("risk", child_entity_codes=["project"])
    said = run("restore_entities", backup)
    assert said == "0 created, 0 changed, 3 unchanged, 1 kept though not in the file\n"
    assert Entity.objects.filter(code="risk").exists()


def test_a_dry_run_says_what_would_be_done_and_does_nothing(backup: str) -> None:
    change_everything()
    changed = rows()
    assert run("restore_entities", backup, "--remove-others", "--dry-run").splitlines() == [
        "+ wiki",
        "~ project.label: Venture -> Project",
        "~ project.child_entity_codes: task -> wiki, task",
        "~ task.display_order: 7 -> -3",
        "~ task.active_flag: no -> yes",
        "- issue",
        "- risk",
        "1 created, 2 changed, 0 unchanged, 2 removed (a dry run: nothing was done)",
    ]
    assert rows() == changed


BAD = {
    "": "The file is not a JSON array of objects",
    "[]": "no column “code”",
    '[{"code": "risk", "label": "R", "icon": "Flag"}, {"code": "A B", "label": "A", "icon": "Flag"}]': "Row 2, code",
    '[{"code": "risk", "label": "a\\u202eb", "icon": "Flag"}]': "Row 1, label: Control characters",
    '[{"code": "project", "child_entity_codes": ["task"]}]': "task would be removed.",
}


def test_a_bad_file_is_refused_and_changes_nothing(tmp_path: Path, subtests: pytest.Subtests) -> None:
    for content, problem in BAD.items():
        with subtests.test(content=content, problem=problem):
            file, before = tmp_path / "bad.json", rows()
            file.write_text(content)
            for options in ((), ("--dry-run",)):
                with pytest.raises(CommandError) as refused:
                    run("restore_entities", str(file), "--remove-others", *options)
                assert problem in str(refused.value)
            assert rows() == before


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        run("restore_entities", str(tmp_path / "none.json"))
    with pytest.raises(CommandError, match="No such file"):
        run("backup_entities", str(tmp_path / "none" / "types.json"))


def test_restoring_is_all_or_nothing_to_the_last_statement(backup: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removals come last; if one fails, nothing was restored."""
    change_everything()
    changed = rows()
    sql(  # a rule of another service
        "CREATE FUNCTION keep_risk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'no' USING ERRCODE = 'foreign_key_violation'; END $$;"
        "CREATE TRIGGER keep_risk BEFORE DELETE ON app.entity FOR EACH ROW EXECUTE FUNCTION keep_risk()"
    )
    try:
        with pytest.raises(CommandError, match="nothing was changed: try again"):
            run("restore_entities", backup, "--remove-others")
    finally:
        sql("DROP FUNCTION keep_risk() CASCADE")
    assert rows() == changed
    assert service.get_entity("project").label == "Venture"  # type: ignore[union-attr]


def test_a_change_between_planning_and_writing_is_noticed_and_kept(
    backup: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_entity("project", {"icon": "Rocket"})
    before_the_next(monkeypatch, "write_plan", lambda: change_entity("project", {"label": "Venture"}), owner=files)
    with pytest.raises(CommandError, match="nothing was changed: try again"):
        run("restore_entities", backup)
    assert Entity.objects.get(code="project").label == "Venture"


def test_a_restore_waits_once(backup: str, waits: list[float]) -> None:
    change_everything()
    waits.clear()
    run("restore_entities", backup, "--remove-others")
    assert len(waits) == 1


def test_the_file_equals_the_admins_export_and_is_private(backup: str) -> None:
    content = json.loads(Path(backup).read_text())
    assert content == json.loads(json.dumps(EntityResource().export(Entity.objects.order_by("code")).dict))
    assert [each["code"] for each in content] == ["project", "task", "wiki"]
    assert permissions_of(Path(backup)) == "-rw-------"


def test_a_backup_that_fails_leaves_the_one_before_and_nothing_beside_it(
    backup: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Path(backup).read_text()
    make_entity("risk")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(CommandError, match="No space left"):
        run("backup_entities", backup)
    assert Path(backup).read_text() == before
    assert [each.name for each in Path(backup).parent.iterdir()] == ["types.json"]


def test_a_backup_writes_to_pipes_and_devices_and_follows_links(tmp_path: Path, backup: str) -> None:
    expected = Path(backup).read_text()
    pipe, link, dangling = tmp_path / "pipe", tmp_path / "link", tmp_path / "dangling"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    run("backup_entities", str(pipe))
    assert os.read(reading, 65_536).decode() == expected
    os.close(reading)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    (tmp_path / "elsewhere").mkdir()
    old, new = tmp_path / "elsewhere" / "old.json", tmp_path / "elsewhere" / "new.json"
    old.write_text("before")
    link.symlink_to(old)
    dangling.symlink_to("elsewhere/new.json")
    for path, target in ((link, old), (dangling, new)):
        run("backup_entities", str(path))
        assert path.is_symlink()
        assert target.read_text() == expected
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(CommandError, match="No space left"):
        run("backup_entities", str(full))
    assert stat.S_ISCHR(full.stat().st_mode)


def test_a_backup_to_the_standard_output_is_nothing_but_the_backup(tmp_path: Path, backup: str) -> None:
    expected = Path(backup).read_text()
    command = [sys.executable, "manage.py", "backup_entities", "/dev/stdout"]
    appended = tmp_path / "appended"
    appended.write_text("before\n")
    with appended.open("a") as output:
        done = subprocess.run(
            command, cwd=ROOT, env=worker_environment(), stdout=output, stderr=subprocess.PIPE, text=True, check=True
        )
    assert done.stderr.endswith("3 entity types written to /dev/stdout\n")
    assert appended.read_text() == "before\n" + expected


def test_what_a_terminal_cannot_write_is_escaped(backup: str, monkeypatch: pytest.MonkeyPatch) -> None:
    change_entity("task", {"label": "Chore"})
    written = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr(sys, "argv", ["manage.py", "restore_entities", backup, "--dry-run", "--skip-checks"])
    runpy.run_path(str(ROOT / "manage.py"), run_name="__main__")
    assert rb"~ task.label: Chore -> T\xe2sk \u201c1\u201d" in written.getvalue()


def test_a_closed_pipe_ends_a_command_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "manage.py", "version"]
    left = subprocess.run(
        command, cwd=ROOT, env=worker_environment(), stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (left.returncode, left.stderr) == (141, b"")
