"""
The classic algorithm, for comparison: cache-aside reads, and a delete after the commit.

    read     GET; if there is none: SELECT, SETEX
    write    change the row; on_commit: DEL

It takes the place of the cache layer in every process whose settings are `tests.torture.classic_settings`.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from redis import Redis
from redis.exceptions import RedisError

from cache_layer import Read, Source
from cache_layer.lookup import Entry, Lookup, registered_lookups

TIMEOUT_SECONDS = 0.25


def replace_coherence() -> None:
    """Take the cache layer's place where the project calls it."""
    for module, name, replacement in (
        ("cache_layer.declaring.entries", "read_entry", read_entry),
        ("cache_layer.declaring.entries", "holding", holding),
        ("cache_layer.invalidation.queryset", "holding", holding),
    ):
        imported = importlib.import_module(module)
        if not hasattr(imported, name):
            raise LookupError(f"{module} does not call {name} any more: the classic algorithm must find its place")
        setattr(imported, name, replacement)
    for lookup in registered_lookups():
        for signal in (pre_save, pre_delete, post_save, post_delete):
            signal.disconnect(sender=lookup.model, dispatch_uid="cache_layer")
        for signal in (post_save, post_delete):
            signal.connect(_forget_row, sender=lookup.model, dispatch_uid="classic")


def read_entry(lookup: Lookup[Any], identifier: str) -> Read[Any]:
    """From Redis if it is there; else from the database, and into Redis for the next reader."""
    key = lookup.key(identifier)
    with contextlib.suppress(RedisError):
        cached: Any = get_client().get(key)
        if cached is not None:
            return Read(lookup.decode(identifier, cached), cached, Source.REDIS)
    document = lookup.build(list(lookup.rows([identifier])))
    if document is None:
        return Read(None, b"", Source.DATABASE)
    payload = lookup.encode(document)
    with contextlib.suppress(RedisError):
        get_client().setex(key, lookup.ttl_seconds, payload)
    return Read(document, payload, Source.DATABASE)


@contextlib.contextmanager
def holding(entries: Sequence[Entry], *, using: str) -> Iterator[None]:
    """One transaction, whose keys are deleted when it has been committed."""
    with transaction.atomic(using=using):
        _delete_on_commit([entry.key for entry in entries], using)
        yield


@functools.cache
def get_client() -> Redis:
    """A plain client: no guard looks at which run of the server it is."""
    return Redis.from_url(settings.REDIS_URL, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)


def _forget_row(instance: Model, using: str, **_: Any) -> None:
    keys = [
        lookup.key(str(getattr(instance, lookup.identifier_field)) if lookup.identifier_field else "")
        for lookup in registered_lookups()
        if isinstance(instance, lookup.model)
    ]
    _delete_on_commit(keys, using)


def _delete_on_commit(keys: Sequence[str], using: str) -> None:
    def delete() -> None:
        with contextlib.suppress(RedisError):
            get_client().delete(*keys)

    transaction.on_commit(delete, using=using)
