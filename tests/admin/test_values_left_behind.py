"""Whoever changes few entity types leaves their new documents in the cache: the next read is no miss."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from redis import Redis
from rest_framework.test import APIClient

from cache_layer import Source
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.reading.reads import read_entry
from cache_layer.writing.write_through import MAX_KEYS
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.models import Entity
from tests.admin.conftest import change_url, fields
from tests.api.conftest import client_of
from tests.conftest import make_entity

PROJECT = "/api/v1/entity/project"
RISK = {"code": "risk", "label": "New", "label_plural": "Risks", "icon": "Flag"}


def save_form(_: APIClient, admin: Client) -> object:
    return admin.post(change_url("project"), fields(Entity.objects.get(code="project"), label="New"))


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (lambda api, _: api.patch(PROJECT, {"label": "New"}), ["project"]),
        (save_form, ["project"]),
        (lambda *_: Entity.objects.filter(code__in=["project", "task"]).update(label="New"), ["project", "task"]),
        (lambda *_: Entity.objects.bulk_update([Entity(code="task", label="New")], ["label"]), ["task"]),
        (lambda api, _: api.post("/api/v1/entity", RISK), ["risk"]),
    ],
)
def test_a_change_of_few_leaves_their_new_documents(
    committed_db: None,
    superuser: User,
    admin_client: Client,
    change: Callable[[APIClient, Client], object],
    codes: list[str],
) -> None:
    for code in ("project", "task"):
        make_entity(code)
    make_entity("off", active_flag=False)
    for code in codes:
        read_entry(ENTITY, code)
    before = list(Entity.objects.values())
    change(client_of(superuser), admin_client)
    assert list(Entity.objects.values()) != before
    drop_all_copies()
    for code in codes:
        read = read_entry(ENTITY, code)
        assert read.source is Source.REDIS
        row = Entity.objects.get(code=code)
        assert read.document is not None
        assert (read.document.label, list(read.document.child_entity_codes)) == (row.label, row.child_entity_codes)
    assert read_entry(ENTITY_TYPES, "").source is Source.DATABASE, "the list of all is left to its next reader"


@pytest.mark.parametrize(("number", "source"), [(MAX_KEYS - 1, Source.REDIS), (MAX_KEYS, Source.DATABASE)])
def test_a_change_of_more_leaves_them_to_the_next_readers(
    committed_db: None, redis_client: Redis, number: int, source: Source
) -> None:
    """The list of all is one of the keys."""
    rows = [Entity(code=f"t{each}", label="x", label_plural="x", icon="Flag") for each in range(number)]
    Entity.objects.bulk_create(rows)
    redis_client.flushdb()
    Entity.objects.update(label="New")
    drop_all_copies()
    assert read_entry(ENTITY, "t0").source is source
