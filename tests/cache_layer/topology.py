"""What tests of clusters and of Sentinel have in common."""

from __future__ import annotations

from typing import Any

from django.db import connection

from cache_layer import Read, Source
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.reading.reads import read_entry
from cache_layer.server.connection import get_writer_client
from entities.lookups import ENTITY
from entities.models import Entity
from tests.conftest import make_entity

KEY = ENTITY.key("project")


def empty() -> None:
    """Remove every key."""
    for _, node in get_writer_client().nodes():
        node.flushdb()


def make_project() -> Entity:
    """`project`, as Redis has it and this process's memory does not."""
    row = make_entity("project", label="old")
    empty()
    assert [read().source for _ in range(2)] == [Source.DATABASE, Source.REDIS]
    return row


def read(code: str = "project") -> Read[Any]:
    """As a process does that has no copy in its memory."""
    drop_all_copies()
    return read_entry(ENTITY, code)


def label(code: str = "project") -> str:
    document = read(code).document
    assert document is not None
    return document.label


def change_unseen(new_label: str) -> None:
    """By SQL, with no relay to tell the cache: as if the invalidation had been lost on its way to the replica."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE app.entity SET label = %s WHERE code = 'project'", [new_label])
