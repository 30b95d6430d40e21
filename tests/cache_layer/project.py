"""The entity type `project`, as tests change it and read it back."""

from __future__ import annotations

import psycopg
from django.db import transaction

from cache_layer import Source
from cache_layer.protocol.scripts import Claim, Fill, claim_fills, fill_entries
from cache_layer.reading.reads import read_entry
from entities.lookups import ENTITY
from entities.models import Entity
from tests.servers import test_database_url

KEY, TASK_KEY = "entity:metadata:project", "entity:metadata:task"


def change(row: Entity, label: str, using: str | None = None) -> None:
    row.label = label
    row.save(using=using)


def rename(label: str = "New") -> None:
    change(Entity.objects.get(code="project"), label)


def roll_back(code: str) -> None:
    with transaction.atomic():
        change(Entity(code=code, label_plural="", icon="Flag"), "Never")
        transaction.set_rollback(True)


def psql(statement: str) -> None:
    """As another service changes rows: in a session of its own, without Django."""
    with psycopg.connect(test_database_url(), autocommit=True) as session:
        session.execute(statement)


def label(code: str = "project") -> str | None:
    document = read_entry(ENTITY, code).document
    return document and document.label


def source() -> Source:
    return read_entry(ENTITY, "project").source


def read(code: str = "project") -> tuple[str, Source]:
    found = read_entry(ENTITY, code)
    assert found.document is not None
    return found.document.label, found.source


def claim_fill(key: str, token: str, *, replace: bool) -> tuple[Claim, bytes | None]:
    return claim_fills([key], token, replace=replace)[key]


def fill_entry(key: str, token: str, payload: bytes, ttl_seconds: int) -> bool:
    return fill_entries([Fill(key, payload, ttl_seconds)], token)[key]
