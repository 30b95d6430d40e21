"""A freshness test with writers, readers in two processes, rollbacks, and a Redis that loses keys."""

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain, count
from mmap import mmap
from multiprocessing import get_context
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any

from django.db import connections, router, transaction

from cache_layer.inspect.entry import EntryView
from cache_layer.keys import value_key
from cache_layer.lookup import Lookup, load
from cache_layer.memory.local_store import lease_ns
from cache_layer.reading.reads import read_entry
from cache_layer.server.connection import get_writer_client
from cache_layer.testing.changes import Changes
from cache_layer.testing.run import ROLLED_BACK, Run, Seen
from cache_layer.upkeep.clearing import glob_of

ROWS = 3
FLUSH_SECONDS = 0.2
"""How often all the lookup's keys are removed from Redis."""
PAUSE_SECONDS = 0.001
"""How long a reader in the writing process pauses for the writers, whose slowness would hide their faults."""
EVERY = 3
"""One in this many writes of a row is rolled back."""

Change = Callable[[str, int], object]


def assert_never_stale(lookup: Lookup[Any], seconds: float = 5, *, write: Change | None = None) -> int:
    """
    Write, roll back and read a few rows concurrently, here and in another process, while Redis loses keys; check every
    read.

    It uses existing rows, changes them, and does not restore them.

    Args:
        write: changes the row with this identifier in the project's own way, for any number to a document that it never
            had; by default saves, updates and bulk updates one of its fields.
    Returns:
        How many reads of this process were checked.
    Raises:
        AssertionError: a read returned a value replaced by a write that had returned before it, or one rolled back.
        ValueError: there is no row, nothing to change in it, or a `TestCase`, which commits nothing, runs this.
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
        partial(_read_on, run, lookup),
        partial(_flush, run, lookup),
    ]
    with _reading_elsewhere(run, lookup), ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(_work, run, work) for work in works]:
            done.result()
    run.judge(lookup)
    return run.reads


def _work(run: Run, work: Callable[[], None]) -> None:
    try:
        work()
    finally:
        run.stop.set()  # stops the others if this one failed
        connections.close_all()


def _find_rows(lookup: Lookup[Any]) -> dict[str, bytes]:
    """A few existing entries and their current bytes."""
    if lookup.identifier_field is None:
        wanted = [""]
    else:
        values = lookup.model._base_manager.order_by("pk").values_list(lookup.identifier_field, flat=True)
        wanted = [str(value) for value in values[: 10 * ROWS] if value is not None]
    found = load(lookup, wanted) if wanted else {}
    there = {row: loaded.payload for row, loaded in found.items() if loaded.payload}
    return dict(list(there.items())[:ROWS])


def _write(run: Run, lookup: Lookup[Any], place: int, change: Change, alias: str) -> None:
    row = run.rows[place]
    for number in count(1):
        if not run.goes_on():
            return
        if number % EVERY == 0:
            with transaction.atomic(using=alias):
                change(row, number)
                run.note(row, EntryView(lookup, row).committed(), ROLLED_BACK)
                run.stop.wait(lease_ns() / 1e9 + 2 * PAUSE_SECONDS)  # copies end, so readers meet what the write cached
                transaction.set_rollback(True, using=alias)
            continue
        change(row, number)
        run.note(row, EntryView(lookup, row).committed(), number)
        run.returned[place] = number
        run.writes += 1


def _read_on(run: Run, lookup: Lookup[Any]) -> None:
    while run.goes_on():
        _read(run, lookup)
        run.stop.wait(PAUSE_SECONDS)


def _read(run: Run, lookup: Lookup[Any]) -> None:
    for place, row in enumerate(run.rows):
        after = run.returned[place]
        run.seen.add(Seen(row, read_entry(lookup, row).payload, after))
        run.reads += 1


@contextmanager
def _reading_elsewhere(run: Run, lookup: Lookup[Any]) -> Iterator[None]:
    """
    Let a child process read while the block runs, and then add what it saw to the run.

    It has its own memory, which only the drains of writers keep fresh.
    """
    connections.close_all()  # the child must not share them
    fork = get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    child = fork.Process(target=_read_until_stopped, args=(run, lookup, sender), daemon=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about threads: the child waits for none
        child.start()
    sender.close()
    try:
        yield
    finally:
        run.returned[-1] = 1
        try:
            run.seen |= receiver.recv()
        except EOFError:
            raise RuntimeError("The reading process failed; its traceback is on standard error.") from None
        finally:
            child.join()


def _read_until_stopped(run: Run, lookup: Lookup[Any], sender: Connection) -> None:
    """Read until the run stops, and send what was seen."""
    while not run.returned[-1]:
        _read(run, lookup)
    sender.send(run.seen)


def _flush(run: Run, lookup: Lookup[Any]) -> None:
    """Remove values, holds and all other keys from Redis, as a flush or restart does."""
    glob = glob_of([lookup])
    stamps = [value_key(key, version=1) for key in lookup.stamp_keys()]
    while run.goes_on():
        run.stop.wait(FLUSH_SECONDS)
        for _, node in get_writer_client().nodes():
            for key in chain(node.scan_iter(match=glob, count=1000), stamps):
                node.unlink(key)
