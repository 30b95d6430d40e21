"""An optional field takes the model, its migration and the document; everything else has it."""

from __future__ import annotations

import json
import re
import threading
from itertools import count
from typing import Annotated, Any

import msgspec
import pytest
import requests
from django.core.exceptions import ImproperlyConfigured
from redis import Redis

from pmo import documents
from pmo.schemas import DOCUMENTS, RELEASED, VERSION, last_digest, schema_version
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
    "composed": 4,
}


def test_a_field_of_model_migration_and_document_is_everywhere(extended: Extended) -> None:
    assert extended.found == EXPECTED


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
    with pytest.raises(ImproperlyConfigured, match=r"Else raise VERSION in pmo/schemas\.py by one"):
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


METRICS = {"METRICS_TOKEN": "x" * 32}


def test_in_a_rolling_deploy_of_a_field_both_releases_answer_rightly_and_refuse_nothing(
    extended: Extended, redis_client: Redis
) -> None:
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
        assert json.loads(redis_client.get("entity:metadata:project") or "{}").get("remark") == "As of 12"


def fetch(url: str) -> str:
    return requests.get(url, headers={"Authorization": f"Bearer {METRICS['METRICS_TOKEN']}"}, timeout=15).text


def counted(url: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", fetch(f"{url}/metrics"), re.MULTILINE)
    assert found
    return float(found[1])
