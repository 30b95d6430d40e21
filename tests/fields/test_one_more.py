"""An optional field takes the model, its migration and the document; everything else has it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections
from pytest_django.plugin import DjangoDbBlocker

from pmo import documents
from pmo.schemas import DOCUMENTS, RELEASED, VERSION, last_digest, schema_version
from tests.fields.next_release import make_next_release
from tests.servers import another_database, own_name, worker_environment

pytestmark = pytest.mark.django_db  # so that there is a test database, which `found_with_remark` copies


@pytest.fixture
def found_with_remark(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path: Path
) -> Iterator[dict[str, Any]]:
    """What `with_remark` finds in a tree whose entity types have one more field."""
    make_next_release(tmp_path)
    with django_db_blocker.unblock():
        connections.close_all()  # a database that is copied is nobody's else
    with another_database(own_name("remark"), connection.settings_dict["NAME"]) as database_url:
        yield run_through(tmp_path, database_url)


def run_through(tree: Path, database_url: str) -> dict[str, Any]:
    script = Path(__file__).with_name("with_remark.py")
    environment = worker_environment() | {"DATABASE_URL": database_url, "PYTHONPATH": str(tree), "CACHE_RELAY": "false"}
    done = subprocess.run(
        [sys.executable, script], cwd=tree, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


EXPECTED: dict[str, Any] = {
    "form": "By staff",
    "patched": "By API",
    "read": "By API",
    "described": ["Entity", "EntityFieldsRequest", "EntityRow", "PatchedEntityFieldsRequest"],
    "exported": ["By API"],
    "imported": "By a file",
    "seeded": "To be done",
    "composed": 4,
}
"""One place of each kind; that they are all, test_every_place has by their names."""


def test_a_field_of_model_migration_and_document_is_everywhere(found_with_remark: dict[str, Any]) -> None:
    assert found_with_remark == EXPECTED


def document(*members: tuple[str, Any]) -> list[Any]:
    return [msgspec.defstruct("Document", members)]


RELEASED_ONE = (("code", str), ("label", str))


def test_members_behind_those_of_the_last_release_take_no_other_version() -> None:
    released = {"Document": last_digest(*document(*RELEASED_ONE))}
    assert schema_version(document(*RELEASED_ONE), released) == VERSION
    assert schema_version(document(*RELEASED_ONE, ("remark", str)), released) == VERSION


@pytest.mark.parametrize(
    "members",
    [
        [("code", str)],
        [("label", str), ("code", str)],
        [("code", str), ("remark", str), ("label", str)],
        [("code", str), ("label", Annotated[str, msgspec.Meta(max_length=50)])],
        [("code", str), ("label", str | None)],
    ],
    ids=["one less", "another order", "one in between", "another limit", "another type"],
)
def test_any_other_change_of_a_document_stops_the_start_and_says_what_to_do(members: list[tuple[str, Any]]) -> None:
    released = {"Document": last_digest(*document(*RELEASED_ONE))}
    with pytest.raises(ImproperlyConfigured, match=r"Otherwise raise VERSION in pmo/schemas\.py by one"):
        schema_version(document(*members), released)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_the_documents_of_today_are_recorded(kind: Any) -> None:
    number, digest = next(iter(last_digest(kind).items()))
    recorded = RELEASED[kind.__name__]
    told = f"add `{number}: {json.dumps(digest)}` to what RELEASED has of it"
    assert list(recorded.items())[-1] == (number, digest), told


def test_every_document_that_is_cached_is_among_those_compared() -> None:
    defined = [name for name, kind in vars(documents).items() if name.endswith("Document") and isinstance(kind, type)]
    assert {"EntityDocument", *defined} == {kind.__name__ for kind in DOCUMENTS}
