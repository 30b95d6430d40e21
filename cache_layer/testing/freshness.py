"""Writers, readers in two processes, rollbacks, and a Redis that forgets."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, count
from mmap import mmap
from time import monotonic
from typing import Any

from django.db import connections, router, transaction

from cache_layer.keys import value_key
from cache_layer.lookup import Lookup, load
from cache_layer.reading.reads import read_entry
from cache_layer.server.connection import get_writer_client
from cache_layer.testing.changes import Changes, payload_now
from cache_layer.testing.elsewhere import reading_elsewhere
from cache_layer.testing.run import ROLLED_BACK, Run, Seen

ROWS, READERS = 3, 1
FLUSH_SECONDS = 0.2
"""How often Redis forgets everything of the lookup."""
EVERY = 3
"""Of a row's writes one in so many is rolled back."""

Change = Callable[[str, int], object]


def assert_never_stale(lookup: Lookup[Any], seconds: float = 5, *, write: Change | None = None) -> int:
    """
    Write, roll back and read a few rows at once, here and in another process, while Redis forgets; judge every read.

    It takes rows that are there, changes them, and leaves them so.

    Args:
        write: changes the row with this identifier in a way of the project's own, so that its document is one that it
            never was, whatever the number; saves, updates and bulk updates of one of its fields by default.
    Returns:
        How many reads of this process were judged.
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
    change = write or Changes(lookup, *next(iter(rows.items())), alias)
    run = Run(
        until=monotonic() + seconds,
        rows=tuple(rows),
        returned=memoryview(mmap(-1, 8 * (len(rows) + 1))).cast("q"),
        versions={row: {payload: 0} for row, payload in rows.items()},
    )
    works = [
        *(partial(_write, run, lookup, place, change, alias) for place in range(len(rows))),
        *(partial(_read_on, run, lookup) for _ in range(READERS)),
        partial(_flush, run, lookup),
    ]
    with reading_elsewhere(run, partial(_read, run, lookup)), ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(_work, run, work) for work in works]:
            done.result()
    run.judge(lookup)
    return run.reads


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


def _write(run: Run, lookup: Lookup[Any], place: int, change: Change, alias: str) -> None:
    row = run.rows[place]
    for number in count(1):
        if not run.goes_on():
            return
        if number % EVERY == 0:
            with transaction.atomic(using=alias):
                change(row, number)
                run.note(row, payload_now(lookup, row), ROLLED_BACK)
                transaction.set_rollback(True, using=alias)
            continue
        change(row, number)
        run.note(row, payload_now(lookup, row), number)
        run.returned[place] = number
        run.writes += 1


def _read_on(run: Run, lookup: Lookup[Any]) -> None:
    while run.goes_on():
        _read(run, lookup)


def _read(run: Run, lookup: Lookup[Any]) -> None:
    for place, row in enumerate(run.rows):
        after = run.returned[place]
        run.seen.add(Seen(row, read_entry(lookup, row).payload, after))
        run.reads += 1


def _flush(run: Run, lookup: Lookup[Any]) -> None:
    """Have Redis forget values, holds and all, as when it was flushed or restarted."""
    glob = f"*{value_key(lookup.key_glob(), version=1)}*"
    stamps = [value_key(key, version=1) for key in lookup.stamp_keys()]
    while run.goes_on():
        run.stop.wait(FLUSH_SECONDS)
        for _, node in get_writer_client().nodes():
            for key in chain(node.scan_iter(match=glob, count=1000), stamps):
                node.unlink(key)
