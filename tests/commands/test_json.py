"""Every command that tells a status tells it to programs too."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError
from redis import Redis

from entities.services import get_entity_infrastructure
from tests.commands.conftest import run
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("committed_db")


def test_the_audit_is_one_object_also_when_it_fails(redis_client: Redis) -> None:
    make_entity("project")
    get_entity_infrastructure().get_entity("project")
    found = json.loads(run("audit_cache", "--json"))
    assert (found["mismatches"], found["repaired"]) == ([], True)
    assert found["compared"] >= 1
    redis_client.set("entity:metadata:project", redis_client.get("entity:metadata:project").replace(b"Proj", b"Nope"))  # type: ignore[union-attr] # bytes
    with pytest.raises(CommandError, match="left as they are"):
        run("audit_cache", "--json", "--no-repair")


def test_a_check_of_an_adoption_is_one_object() -> None:
    assert json.loads(run("check_adoption", "--json")) == {"to_adopt": False, "problems": []}
