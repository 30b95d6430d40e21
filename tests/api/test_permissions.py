"""Which permission each change needs; who may ask what at all is in `tests/platform/test_access.py`."""

from __future__ import annotations

from typing import Any

import pytest

from entities.models import Entity
from tests.api.conftest import PROJECT, client_of, make_user
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("db", "quick_writes")

CHANGES: list[tuple[str, str, str, Any]] = [
    ("add", "post", "", PROJECT),
    ("change", "patch", "/task", {"label": "New"}),
    ("change", "put", "/task/children", {"child_entity_codes": ["task"]}),
    ("delete", "delete", "/task", None),
    ("delete", "delete", "/task?detach=true", None),
    ("delete", "delete", "/task?purge=true", None),
]


@pytest.mark.parametrize("given", ["add", "change", "delete"])
def test_each_change_needs_its_own_permission(given: str, subtests: pytest.Subtests) -> None:
    client = client_of(make_user("somebody", given))
    for needed, method, path, body in CHANGES:
        Entity.objects.all().delete()
        make_entity("task")
        answer = getattr(client, method)(f"/api/v1/entity{path}", body)
        with subtests.test(method=method, path=path):
            if given == needed:
                assert answer.status_code in (200, 201, 204)
            else:
                assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_permission_comes_before_existence() -> None:
    """Whoever may not write learns nothing about codes by trying."""
    client = client_of(make_user())
    assert client.patch("/api/v1/entity/nowhere", {}).status_code == 403
    assert client.delete("/api/v1/entity/nowhere").status_code == 403
