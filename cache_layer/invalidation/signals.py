"""Saves and deletes of single rows: hold before, release after the commit."""

from collections.abc import Collection, Iterable
from typing import Any

from django.core.signals import request_finished
from django.db import close_old_connections
from django.db.models import Model
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from cache_layer.lookup import Entry, entries_of, parts_of
from cache_layer.memory.pending import HeldEntry, find_write, is_ours
from cache_layer.writing.release import release_abandoned, release_autocommitted
from cache_layer.writing.writes import hold_entries


def connect_signals(model: type[Model]) -> None:
    """Keep the entries built from `model` coherent on `save()` and `delete()`, whoever calls them."""
    for before in (pre_save, pre_delete):
        before.connect(_before_change, sender=model, dispatch_uid="cache_layer")
    post_save.connect(_after_save, sender=model, dispatch_uid="cache_layer")
    post_delete.connect(_after_delete, sender=model, dispatch_uid="cache_layer")
    # Run before Django closes the request's connections, so that a closed session means a lost one. Django 5.2; noticed
    # by test_a_rollback_is_the_same_on_every_kind_of_connection.
    request_finished.disconnect(close_old_connections)
    request_finished.connect(_after_request, dispatch_uid="cache_layer")
    request_finished.connect(close_old_connections)


def _entries_behind(instance: Model, using: str, changed: Iterable[str] | None, *, created: bool) -> list[Entry]:
    """Every entry that a change of a row affects, under its old and its new identifier."""
    parts = parts_of(type(instance), changed, created=created)
    fields = {part.field for _, part in parts if part.field}
    rows = [{field: getattr(instance, field) for field in fields}]
    may_change = fields - {instance._meta.pk.name}
    if may_change and instance.pk is not None:
        rows += type(instance)._base_manager.using(using).filter(pk=instance.pk).values(*may_change)
    return entries_of(parts, rows)


def _before_change(instance: Model, using: str, update_fields: Collection[str] | None = None, **_: Any) -> None:
    entries = _entries_behind(instance, using, update_fields, created=instance._state.adding)
    hold_entries(entries, using=using)  # begins a write even without entries: `_after_save` ends it


def _after_save(
    instance: Model, using: str, created: bool, update_fields: Collection[str] | None = None, **_: Any
) -> None:
    """Hold, or drop, entries that were unknown before: the database set an identifier, or a row was overwritten."""
    entries = _entries_behind(instance, using, update_fields, created=created)
    late = [entry for entry in entries if not is_ours(entry.key)]
    write = find_write(using)
    if write is not None and not write.in_transaction:
        write.entries |= {entry.key: HeldEntry(entry, holder=None, alone=False) for entry in late}
        release_autocommitted(using=using)
    elif late:
        hold_entries(late, using=using)


def _after_delete(using: str, **_: Any) -> None:
    release_autocommitted(using=using)


def _after_request(**_: Any) -> None:
    release_abandoned(idle=True)
