"""
For a project's own tests: whether its models are read fresh, whatever its code does to them.

    class RatesStayFresh(TransactionTestCase):
        def test_rates_are_never_stale(self):
            Rate.objects.create(name="senior", cents_per_hour=9_000)
            assert_never_stale(Rate.coherent.lookup)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, count
from time import monotonic
from typing import Any, NamedTuple

from django.db import connections, router, transaction
from django.db.models import CharField, Field, IntegerField, Model, TextField

from cache_layer.keys import value_key
from cache_layer.lookup import Lookup, load
from cache_layer.reading.reads import read_entry
from cache_layer.server.connection import get_writer_client
from cache_layer.writing.releases import release_abandoned

ROWS, READERS = 3, 3
MIN_READS, MIN_WRITES, MORE_SECONDS = 100, 6, 30
"""How much there must be to judge, and how much longer it may take on a machine that is busy."""
MIN_LENGTH = 10
"""Digits of numbers that go on from what a text is."""
ROLLED_BACK = -1
FLUSH_SECONDS = 0.2
"""How often Redis forgets everything of the lookup."""


class Seen(NamedTuple):
    """A read, and which write of its row had returned before it began."""

    identifier: str
    payload: bytes
    after: int


@dataclass
class Run:
    """
    What happened.

    Attributes:
        versions: of each row, by the bytes of its document.
        returned: the newest of each row's writes that has returned.
    """

    until: float
    versions: dict[str, dict[bytes, int]] = field(default_factory=dict)
    returned: dict[str, int] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    writes: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def goes_on(self) -> bool:
        now = monotonic()
        if self.stop.is_set() or now >= self.until + MORE_SECONDS:
            return False
        return now < self.until or len(self.seen) < MIN_READS or self.writes < MIN_WRITES


def assert_never_stale(
    lookup: Lookup[Any], seconds: float = 5, *, write: Callable[[str, int], object] | None = None
) -> int:
    """
    Write, roll back and read a few rows at once while Redis forgets, and judge every read.

    It takes rows that are there, changes them, and leaves them so.

    Args:
        write: changes the row with this identifier in a way of the project's own, so that its document is one that it
            never was, whatever the number; a save, an update and a bulk update of one of its fields by default.
    Returns:
        How many reads were judged.
    Raises:
        AssertionError: a read gave what a write that had returned before had replaced, or what was rolled back.
        ValueError: there is no row, nothing to change in one, or a `TestCase` around it, in which nothing is committed.
    """
    alias = router.db_for_write(lookup.model)
    if connections[alias].in_atomic_block:
        raise ValueError("assert_never_stale needs commits: use a TransactionTestCase, or `transactional_db`.")
    rows = _find_rows(lookup)
    if not rows:
        raise ValueError(f"The lookup {lookup.name!r} has no entry: make a row first.")
    change = write or _Changes(lookup, *next(iter(rows.items())), alias)
    run = Run(until=monotonic() + seconds)
    for identifier, payload in rows.items():
        run.versions[identifier], run.returned[identifier] = {payload: 0}, 0
    works: list[Callable[[], None]] = [
        *(lambda row=row: _write(run, lookup, row, change, alias) for row in rows),
        *(lambda: _read(run, lookup) for _ in range(READERS)),
        lambda: _flush(run, lookup),
    ]
    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(_work, run, work) for work in works]:
            done.result()
    _judge(run, lookup)
    return len(run.seen)


def _work(run: Run, work: Callable[[], None]) -> None:
    try:
        work()
    finally:
        run.stop.set()  # if this one failed; else it is over anyway
        connections.close_all()


def _find_rows(lookup: Lookup[Any]) -> dict[str, bytes]:
    """Some entries, and what they are now."""
    if lookup.identifier_field is None:
        wanted = [""]
    else:
        values = lookup.model._base_manager.order_by("pk").values_list(lookup.identifier_field, flat=True)
        wanted = [str(value) for value in values[: 10 * ROWS] if value is not None]
    found = load(lookup, wanted) if wanted else {}
    there = {row: lookup.payload_of(entry.document) for row, entry in found.items() if entry.document is not None}
    return dict(list(there.items())[:ROWS])


def _write(run: Run, lookup: Lookup[Any], row: str, change: Callable[[str, int], object], alias: str) -> None:
    for number in count(1):
        if not run.goes_on():
            return
        if number % 3 == 0:
            try:
                with transaction.atomic(using=alias):
                    change(row, number)
                    _note(run, lookup, row, ROLLED_BACK)
                    raise _RolledBack
            except _RolledBack:
                continue
        change(row, number)
        _note(run, lookup, row, number)
        run.returned[row] = number
        run.writes += 1


class _RolledBack(Exception):
    pass


def _note(run: Run, lookup: Lookup[Any], row: str, version: int) -> None:
    """
    Raises:
        ValueError: a write has not made a new document.
    """
    payload = _payload(lookup, row)
    if run.versions[row].setdefault(payload, version) != version:
        raise ValueError(f"A write of {row!r} left the document as it was before: {payload!r:.200}")


def _payload(lookup: Lookup[Any], row: str) -> bytes:
    """The row's document as this transaction sees it; empty if there is none."""
    document = load(lookup, [row])[row].document
    return lookup.payload_of(document) if document is not None else b""


def _read(run: Run, lookup: Lookup[Any]) -> None:
    while run.goes_on():
        for row in run.versions:
            after = run.returned[row]
            run.seen.append(Seen(row, read_entry(lookup, row).payload, after))


def _flush(run: Run, lookup: Lookup[Any]) -> None:
    """Have Redis forget values, holds and all, as when it was flushed or restarted."""
    glob = f"*{value_key(lookup.key_glob(), version=1)}*"
    while run.goes_on():
        run.stop.wait(FLUSH_SECONDS)
        for _, node in get_writer_client().nodes():
            for key in chain(node.scan_iter(match=glob, count=1000), *_stamps(lookup)):
                node.unlink(key)


def _stamps(lookup: Lookup[Any]) -> Iterable[list[str]]:
    return [[value_key(key, version=1)] for key in lookup.stamp_keys()]


def _judge(run: Run, lookup: Lookup[Any]) -> None:
    """
    Raises:
        AssertionError: a read gave what it must not.
        ValueError: nothing was read, or written.
    """
    if not run.seen or not run.writes:
        raise ValueError(f"There was no time to write and to read, in {MORE_SECONDS} seconds more than given.")
    for identifier, payload, after in run.seen:
        version = run.versions[identifier].get(payload)
        what = f"{lookup.name} {identifier!r}: a read that began when write {after} had returned gave"
        if version is None:
            raise AssertionError(f"{what} what was never written: {payload!r}")
        if version == ROLLED_BACK:
            raise AssertionError(f"{what} what was rolled back: {payload!r}")
        if version < after:
            raise AssertionError(
                f"{what} what write {version} had left, {payload!r}. Something changes the row past `save`, `delete` or"
                " the QuerySet, or its document depends on fields or rows that the lookup does not name."
            )


class _Changes:
    """Ways of Django's to change one field of a row to what it never was."""

    def __init__(self, lookup: Lookup[Any], row: str, payload: bytes, alias: str) -> None:
        """
        Args:
            row, payload: of an entry that is there; a field is looked for whose change it shows.
        """
        self._model: type[Model] = lookup.model
        self._by = lookup.identifier_field
        self._bases: dict[tuple[str, str], int] = {}
        for column in sorted(filter(_is_free, self._model._meta.local_concrete_fields), key=_is_text):
            self._field: Any = column
            seen = {payload}
            with transaction.atomic(using=alias):
                for number in (2, 3):  # two: a time of the last change may show that once
                    self(row, number)
                    seen.add(_payload(lookup, row))
                transaction.set_rollback(True, using=alias)
            release_abandoned()  # else its holds lapse when the test is over
            if len(seen) == 3:
                return
        raise ValueError(f"The lookup {lookup.name!r} shows no field of numbers or text that is free: pass `write`.")

    def __call__(self, identifier: str, number: int) -> None:
        manager: Any = self._model._default_manager
        row = manager.filter(**{self._by: identifier} if self._by else {}).order_by("pk")[0]
        name = self._field.name
        found = str(getattr(row, name))
        base = self._bases.setdefault((name, identifier), int(found) if found.isdecimal() else 0)
        value = str(base + number) if _is_text(self._field) else base + number
        if number % 4 == 0:
            manager.filter(pk=row.pk).update(**{name: value})
            return
        setattr(row, name, value)
        if number % 4 == 1:
            manager.bulk_update([row], [name])
        else:
            row.save(update_fields=[name] if number % 4 == 2 else None)


def _is_free(column: Field[Any, Any]) -> bool:
    """Whether a field can have any number, or its digits."""
    bound = column.primary_key or column.unique or column.choices or (column.max_length or MIN_LENGTH) < MIN_LENGTH
    return isinstance(column, CharField | TextField | IntegerField) and not bound


def _is_text(column: Field[Any, Any]) -> bool:
    return isinstance(column, CharField | TextField)
