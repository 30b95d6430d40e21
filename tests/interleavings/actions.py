"""What processes do: the project's own entry points, as a server would call them."""

from collections.abc import Callable
from typing import Any

from django.db import connection, transaction

from cache_layer import Source
from cache_layer.invalidation.signals import _after_request
from cache_layer.lookup import Entry, Lookup
from cache_layer.reading.fills import refresh_entries
from cache_layer.reading.reads import read_entries, read_entry
from cache_layer.upkeep.clearing import clear_entries
from cache_layer.upkeep.relay import relay_changes
from cache_layer.writing.writes import invalidate_entries
from entities.lookups import ENTITY
from entities.models import Entity
from tests.interleavings.doing import NEXT_LABEL
from tests.interleavings.entries import BESIDE_CODES, CODE, ENTRIES, FIELDS, content_of
from tests.interleavings.memory import PATHS
from tests.interleavings.oracle import BrokenPromise, Content
from tests.interleavings.processes import Process

Action = Callable[[Process], Any]


def row() -> Entity:
    return Entity(code=CODE, label=NEXT_LABEL, **FIELDS)


# Readers


def read(lookup: Lookup[Any], identifier: str) -> Action:
    """One read of an entry."""

    def act(_: Process) -> tuple[Content, Source]:
        found = read_entry(lookup, identifier)
        return content_of(lookup, found.document), found.source

    return act


read_type, read_list = (read(*entry) for entry in ENTRIES)


def in_snapshot(read: Action) -> Action:
    """A read in a transaction that sees the past: what it gets is its own affair, but it must not be cached."""

    def act(process: Process) -> None:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                cursor.execute("SELECT 1 FROM app.entity")
            read(process)

    return act


def read_several(_: Process) -> tuple[Content, Source]:
    """The type and one that there is not, in one go."""
    found = read_entries(ENTITY, ["nothing", CODE])
    assert found["nothing"].document is None
    return content_of(ENTITY, found[CODE].document), found[CODE].source


def read_and_refresh(process: Process) -> tuple[Content, Source]:
    """The type near the end of its life: it is loaded anew, over its value."""
    found = read_type(process)
    renewed = refresh_entries(ENTITY, ENTITY.entries(CODE)).get(CODE)
    return (content_of(ENTITY, renewed.document), renewed.source) if renewed else found


def read_through_lane(path: str) -> Action:
    """One request to the express lane."""

    def act(process: Process) -> tuple[Content, Source]:
        return process.memory.ask(path)

    return act


READS_THROUGH_LANE: dict[str, Action] = {
    f"reads the {what} through the lane": read_through_lane(path)
    for what, path in zip(("type", "list"), PATHS, strict=True)
}
READS: dict[str, Action] = {
    "reads the type": read_type,
    "reads the type and refreshes it": read_and_refresh,
    "reads several types": read_several,
    "reads the list": read_list,
}
READS_IN_SNAPSHOT: dict[str, Action] = {
    "reads the type in an old snapshot": in_snapshot(read_type),
    "reads the list in an old snapshot": in_snapshot(read_list),
}


# Writers


def request(change: Action) -> Action:
    """A request that makes a change, and its end, as `request_finished` has it."""

    def act(process: Process) -> None:
        try:
            change(process)
        finally:
            if not process.is_dying:
                _after_request()

    return act


def save_in_transaction(process: Process) -> None:
    with transaction.atomic():
        row().save()
        own, _ = read_type(process)
        if own != process.label:
            raise BrokenPromise(f"inside its transaction {process.name} read {own}, not its own {process.label}")


def save_two(process: Process) -> None:
    """Another row first, whose hold comes before that of ours; the list, and the stamp, are held by then."""
    with transaction.atomic():
        Entity(code=BESIDE_CODES[process.name[-1]], label="Beside", **FIELDS | {"entity_type": "beside"}).save()
        row().save()


class Undone(Exception):  # the name is the cause
    """Rolls a savepoint back."""


def undo_savepoint(_: Process) -> None:
    with transaction.atomic():
        _save_and_undo()


def undo_savepoint_and_save(_: Process) -> None:
    with transaction.atomic():
        _save_and_undo()
        row().save()


def _save_and_undo() -> None:
    try:
        with transaction.atomic():
            row().save()
            raise Undone
    except Undone:
        pass


def change_by_cursor(process: Process) -> None:
    """Raw SQL in a transaction of Django's: not held, not seen by anyone else, and read by itself."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("UPDATE app.entity SET label = %s WHERE code = %s", [NEXT_LABEL, CODE])
        read_type(process)


WRITES: dict[str, Action] = {
    "save()": lambda _: row().save(),
    "save() in a transaction": save_in_transaction,
    "save() after another row's": save_two,
    "update()": lambda _: Entity.objects.filter(code=CODE).update(label=NEXT_LABEL),
    "bulk_update()": lambda _: Entity.objects.bulk_update([row()], ["label"]),
    "bulk_create()": lambda _: Entity.objects.bulk_create([row()]),
    "delete()": lambda _: Entity(code=CODE).delete(),
    "filter().delete()": lambda _: Entity.objects.filter(code=CODE).delete(),
    "update(active_flag=False)": lambda _: Entity.objects.filter(code=CODE).update(active_flag=False),
    "save() in a savepoint that is rolled back": undo_savepoint,
    "save() after a savepoint was rolled back": undo_savepoint_and_save,
}
CHANGES_BY_CURSOR: dict[str, Action] = {"cursor.execute() in a transaction": change_by_cursor}


# The relay and the operator


def relay(_: Process) -> None:
    relay_changes()


def invalidate_by_hand(_: Process) -> bool:
    invalidate_entries([Entry(*entry) for entry in ENTRIES])
    return True


def clear_by_hand(_: Process) -> bool:
    for lookup, _identifier in ENTRIES:
        clear_entries(lookup)
    return True


BY_HAND: dict[str, Action] = {"invalidates by hand": invalidate_by_hand, "clears by hand": clear_by_hand}
