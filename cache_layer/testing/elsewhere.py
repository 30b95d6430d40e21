"""A second reading process: it has its own memory, which only the drains of writers keep from being stale."""

from __future__ import annotations

import json
import os
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connections

from cache_layer.testing.run import Run, Seen


@contextmanager
def reading_elsewhere(run: Run, read: Callable[[], object]) -> Iterator[None]:
    """Let a child process `read` while the block runs, and then add what it saw to the run."""
    connections.close_all()  # the child must not share them
    told, tell = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about threads: the child waits for none
        child = os.fork()
    if child == 0:
        _read_until_told(run, read, tell)
    os.close(tell)
    try:
        yield
    finally:
        run.returned[-1] = 1
        with open(told, "rb") as answer:
            found = json.loads(answer.read() or b"null")
        os.waitpid(child, 0)
    if found is None:
        raise RuntimeError("The reading process failed; its traceback is on standard error.")
    run.seen |= {Seen(row, bytes.fromhex(payload), after) for row, payload, after in found}


def _read_until_told(run: Run, read: Callable[[], object], tell: int) -> None:
    """Read until told to stop, send the results, and exit; never returns."""
    try:
        while not run.returned[-1]:
            read()
        answer = json.dumps([(row, payload.hex(), after) for row, payload, after in run.seen])
        with open(tell, "wb") as pipe:
            pipe.write(answer.encode())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)  # skips the parent's exit handlers
