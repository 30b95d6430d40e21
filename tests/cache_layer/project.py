"""The entity type `project`, as tests change it and read it back."""

from typing import Any

import psycopg
from django.db import transaction

from cache_layer import Read, Source
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.protocol.scripts import Claim, Fill, claim_fills, fill_entries
from cache_layer.reading.reads import read_entry
from cache_layer.server.connection import get_writer_client
from entities.lookups import ENTITY
from entities.models import Entity
from tests.conftest import make_entity
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


def read_anew(code: str = "project") -> Read[Any]:
    """As a process does that has no copy in its memory."""
    drop_all_copies()
    return read_entry(ENTITY, code)


def label_anew(code: str = "project") -> str:
    document = read_anew(code).document
    assert document is not None
    return document.label


def empty() -> None:
    """Remove every key, of all nodes."""
    for _, node in get_writer_client().nodes():
        node.flushdb()


def make_project() -> Entity:
    """`project`, as Redis has it and this process's memory does not."""
    row = make_entity("project", label="old")
    empty()
    assert [read_anew().source for _ in range(2)] == [Source.DATABASE, Source.REDIS]
    return row


def change_unseen(new_label: str) -> None:
    """By SQL, with no relay to tell the cache: as if the invalidation had been lost on its way to the replica."""
    psql(f"UPDATE app.entity SET label = '{new_label}' WHERE code = 'project'")
