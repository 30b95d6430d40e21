"""A second reading process, with its own memory, which only the drains of writers keep fresh."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

from django.db import connections

from cache_layer.testing.run import Run


@contextmanager
def reading_elsewhere(run: Run, read: Callable[[], object]) -> Iterator[None]:
    """Let a child process `read` while the block runs, and then add what it saw to the run."""
    connections.close_all()  # the child must not share them
    fork = get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    child = fork.Process(target=_read_until_stopped, args=(run, read, sender), daemon=True)
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


def _read_until_stopped(run: Run, read: Callable[[], object], sender: Connection) -> None:
    """Read until the run stops, and send what was seen."""
    while not run.returned[-1]:
        read()
    sender.send(run.seen)
