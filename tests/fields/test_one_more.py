"""An optional field takes the model, its migration and the document; everything else has it."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from itertools import count
from typing import Annotated, Any

import msgspec
import pytest
from redis import Redis

from pmo import people
from pmo.schemas import DOCUMENTS, RELEASED, digest, schema_version
from tests.acceptance.conftest import Program
from tests.fields.conftest import Extended
from tests.servers import web_server

pytestmark = pytest.mark.django_db  # so that there is a test database, which `extended` copies

EXPECTED: dict[str, Any] = {
    "form": "By staff",
    "history": "By staff",
    "conflict": [["remark", "(empty)", "By staff", "By somebody else"]],
    "patched": "By API",
    "read": "By API",
    "row": "By API",
    "wrong kind": 400,
    "described": ["Entity", "EntityFieldsRequest", "EntityRow", "PatchedEntityFieldsRequest"],
    "exported": ["By API"],
    "plan": [["remark", "By API", "By a file"]],
    "imported": "By a file",
    "restored": "By a file",
    "seeded": "To be done",
    "compared": ["Remark", "By staff", "By a file"],
    "version restored": "By staff",
    "undone": "By a file",
    "searched": ["project"],
}


def test_a_field_of_model_migration_and_document_is_everywhere(extended: Extended) -> None:
    assert extended.found == EXPECTED


def document(*members: tuple[str, Any]) -> list[Any]:
    return [msgspec.defstruct("Document", members)]


@pytest.mark.parametrize(
    "other",
    [
        document(("code", str)),
        document(("label", str), ("code", str)),
        document(("code", str), ("label", Annotated[str, msgspec.Meta(max_length=50)])),
        document(("code", str), ("label", str | None)),
    ],
    ids=["a member less", "another order", "another limit", "another type"],
)
def test_documents_that_are_not_those_of_the_last_release_have_the_next_version(other: list[Any]) -> None:
    same = document(("code", str), ("label", str))
    released = ("an earlier one", digest(same))
    assert (schema_version(same, released), schema_version(other, released)) == (2, 3)
    assert schema_version(same, (*released, digest(other))) == 4, "what comes back is no version of before"


def test_the_documents_of_today_are_recorded() -> None:
    found = digest(DOCUMENTS)
    assert found == RELEASED[-1], f"the documents have changed: add {found!r} to RELEASED in pmo/schemas.py"
    defined = [name for name, kind in vars(people).items() if name.endswith("Document") and isinstance(kind, type)]
    assert {"EntityDocument", *defined} == {kind.__name__ for kind in DOCUMENTS}


METRICS = {"METRICS_TOKEN": "x" * 32}


def test_in_a_rolling_deploy_of_a_field_both_releases_answer_rightly_and_refuse_nothing(
    extended: Extended, redis_client: Redis
) -> None:
    if digest(DOCUMENTS) != RELEASED[-1]:
        pytest.skip("The documents of today are not recorded, so they and those with one more have the same version.")
    there = {"DATABASE_URL": extended.database_url} | METRICS
    with web_server(**there) as old, web_server(extended.tree, **there) as new:
        program = Program(old)
        program.change(new, "project", label="0", remark="0")
        acknowledged, stale, reads, done = [0], [], count(), threading.Event()

        def read_all_the_time() -> None:
            while not done.is_set():
                for url in (old, new):
                    least = acknowledged[0]
                    if int(program.read(url, "project").body["label"]) < least:
                        stale.append((url, least))
                    next(reads)

        reader = threading.Thread(target=read_all_the_time)
        reader.start()
        try:
            for number in range(1, 13):
                program.change((old, new)[number % 2], "project", label=str(number))
                acknowledged[0] = number
                if number % 3 == 0:
                    program.change(new, "project", remark=f"As of {number}")
                bodies = {url: program.read(url, "project").body for url in (old, new)}
                assert [body["label"] for body in bodies.values()] == [str(number)] * 2
                assert bodies[new].get("remark") == f"As of {number // 3 * 3}".replace("As of 0", "0")
                assert "remark" not in bodies[old]
        finally:
            done.set()
            reader.join()
        assert (stale, next(reads) > 24) == ([], True)
        assert [counted(url, "cache_refused_values_total") for url in (old, new)] == [0.0, 0.0]
        assert [json.loads(fetch(f"{url}/health"))["problems"] for url in (old, new)] == [[], []]
        stored: list[Any] = redis_client.mget("entity:metadata:project", "{entity:metadata:project}:v2")
        assert ["remark" in json.loads(each) for each in stored if each] == [False, True]


def fetch(url: str) -> str:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {METRICS['METRICS_TOKEN']}"})
    with urllib.request.urlopen(request, timeout=15) as response:
        return str(response.read().decode())


def counted(url: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", fetch(f"{url}/metrics"), re.MULTILINE)
    assert found
    return float(found[1])
