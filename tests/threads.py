"""What another thread or process, with database connections of its own, sees and does."""

import asyncio
import os
import signal
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

Result = TypeVar("Result")


def in_another_thread(call: Callable[[], Result]) -> Result:
    """What `call` gives, or raises, in a thread that ends with it."""
    with beside(call) as future:
        return future.result(timeout=20)


@contextmanager
def beside(call: Callable[[], Result]) -> Iterator[Future[Result]]:
    """Run `call` in another thread while the block runs; the block ends after it, and raises what it raised."""

    def run() -> Result:
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run)
        yield future
        future.result(timeout=20)


def holds_in_child(claim: Callable[[], bool]) -> bool:
    """Whether a claim holds in a process forked from this one; it does not if it raises, or hangs for ten seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads beside the fork, from Python 3.12 on
        child = os.fork()
    if child == 0:
        signal.alarm(10)
        holds = False
        try:
            holds = claim()
        finally:
            os._exit(0 if holds else 1)
    return os.waitpid(child, 0)[1] == 0


def run_coroutine(work: Coroutine[Any, Any, Result]) -> Result:
    """What a coroutine gives in an event loop of its own, whose thread keeps no connection to the database."""

    async def run() -> Result:
        try:
            return await work
        finally:
            await sync_to_async(connections.close_all)()

    return asyncio.run(run())
