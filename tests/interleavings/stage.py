"""The project's code, bound to a world's processes and clock."""

from __future__ import annotations

import dataclasses
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from cache_layer import absent, connection, fail_safe, guard, keys, local_store, reads, scripts, writes
from cache_layer.options import Options, get_options
from tests.interleavings.doing import Doing
from tests.interleavings.processes import STUCK_SECONDS, current_process
from tests.interleavings.world import World


def replace(monkeypatch: pytest.MonkeyPatch, thing: Any, instead: Any) -> None:
    """Put something in place of a function (or module) in every module of `cache_layer` that has imported it."""
    for module in [module for name, module in sys.modules.items() if name.startswith("cache_layer.")]:
        for name in [name for name, value in vars(module).items() if value is thing]:
            monkeypatch.setattr(module, name, instead)


@contextmanager
def own_connections(pool: Any, **options: Any) -> Iterator[None]:
    """Connections with options of their own; afterwards there are as many of the usual ones as before, and open."""
    count = len(pool._connections)
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in options.items():
            monkeypatch.setitem(pool.connection_kwargs, name, value)
        pool.disconnect()
        pool.reset()
        try:
            yield
        finally:
            pool.disconnect()
            pool.reset()
    for opened in [pool.get_connection() for _ in range(count)]:
        pool.release(opened)


@contextmanager
def living_world() -> Iterator[World]:
    """A world whose processes run the project's code on its clock; afterwards everything is as it was."""
    pool: Any = connection.get_redis_client().connection_pool
    options = {version: dataclasses.replace(get_options(), schema_version=version) for version in (1, 2)}
    exchange, run, keep = connection._guarded, scripts._run, local_store.keep_copy

    def guarded(command: Callable[[], Any], *, essential: bool) -> Any:
        process = current_process()
        return exchange(partial(process.runs_redis, command) if process else command, essential=essential)

    def run_script(client: Any, name: str, calls: Sequence[Any], **_: Any) -> Any:
        process = current_process()
        if process is None or not calls:
            return run(client, name, calls)
        return process.runs_script(partial(run, client, name, calls), name, calls[0].arguments[0])

    def keep_copy(*args: Any, **kwargs: Any) -> Any:
        process = current_process()
        if process:
            process.stop(Doing.KEEP)
        return keep(*args, **kwargs)

    def own_options() -> Options:
        process = current_process()
        return options[process.schema_version if process else 1]

    def sleep(seconds: float) -> None:
        process = current_process()
        assert process is not None
        process.sleeps(seconds)

    # Only those time out that are told to.
    patient = own_connections(pool, socket_timeout=STUCK_SECONDS, socket_connect_timeout=STUCK_SECONDS)
    with patient, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(logging.getLogger("cache_layer"), "disabled", True)
        monkeypatch.setattr(local_store, "_copies", {})
        monkeypatch.setattr(absent, "budget", absent.AbsentBudget())
        world = World()
        monkeypatch.setattr(connection.breaker, "_clock", lambda: world.now_ns / 1e9)
        monkeypatch.setattr(writes, "RETRY_SECONDS", 0.005)
        monkeypatch.setattr(fail_safe, "note_away", lambda: None)  # each finds out for itself
        monkeypatch.setattr(reads, "note_away", lambda: None)
        replace(monkeypatch, time, SimpleNamespace(**vars(time) | {"sleep": sleep}))
        replace(monkeypatch, time.monotonic_ns, lambda: world.now_ns)
        for module in (guard, keys):
            monkeypatch.setattr(module, "get_options", own_options)
        replace(monkeypatch, connection._guarded, guarded)
        replace(monkeypatch, scripts._run, run_script)
        replace(monkeypatch, local_store.keep_copy, keep_copy)
        try:
            yield world
        finally:
            world.close()
            connection.breaker.succeeded()
