"""The project's code, bound to a world's processes and clock."""

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings
from redis.exceptions import RedisError

from cache_layer import clock, keys
from cache_layer.errors import OtherRelease
from cache_layer.memory import local_store
from cache_layer.options import Options, get_options
from cache_layer.protocol import scripts
from cache_layer.reading import absent, fail_safe, reads
from cache_layer.server import connection, run_id
from cache_layer.server.cluster import ClusterRedis, Command
from cache_layer.server.connection import GuardedRedis
from cache_layer.serving import renewal
from cache_layer.writing import attempts, writes
from entities.lookups import ENTITY, ENTITY_TYPES
from tests.interleavings.doing import Doing
from tests.interleavings.entries import LEASE_MS
from tests.interleavings.memory import TurnLock
from tests.interleavings.processes import STUCK_SECONDS, Process, current_process
from tests.interleavings.world import World


class NodesApart(ClusterRedis):
    """
    Of the commands for several entries each is an exchange of its own; a failure of one does not keep others from it.

    All of them go to the one server that there is.
    """

    def __init__(self, client: GuardedRedis, order: str) -> None:
        self._client, self._order = client, order

    def execute_command(self, *args: Any, **options: Any) -> Any:
        return self._client.execute_command(*args, **options)

    def run(self, commands: Sequence[Command]) -> list[Any]:
        answers: list[Any] = [None] * len(commands)
        places = range(len(commands))
        for place in reversed(places) if self._order == "in reverse" else places:
            args, options = commands[place]
            try:
                answers[place] = self.execute_command(*args, **options)
            except RedisError as error:
                answers[place] = error
        return answers


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


STEPWISE = {
    "local_lease_ms": LEASE_MS,
    "fill_wait_ms": 10,
    "stale_seconds": 3_600,
    "hold_ms": 3_600_000,
    "fill_lease_ms": 3_600_000,
}
"""Nothing ends by itself while a history is played: what lapses does so in a step of its own."""


@contextmanager
def living_world() -> Iterator[World]:
    """A world whose processes run the project's code on its clock; afterwards everything is as it was."""
    pool: Any = connection.get_redis_client().connection_pool
    # Only those time out that are told to.
    patient = own_connections(pool, socket_timeout=STUCK_SECONDS, socket_connect_timeout=STUCK_SECONDS)
    with (
        patient,
        override_settings(CACHE_LAYER=settings.CACHE_LAYER | STEPWISE),
        pytest.MonkeyPatch.context() as monkeypatch,
    ):
        get_options.cache_clear()
        monkeypatch.setattr(logging.getLogger("cache_layer"), "disabled", True)
        monkeypatch.setattr(local_store, "_copies", {})
        monkeypatch.setattr(local_store, "_stamps", {})
        monkeypatch.setattr(absent, "budget", absent.AbsentBudget())
        monkeypatch.setattr(attempts, "RETRY_SECONDS", 0.005)
        monkeypatch.setattr(fail_safe, "note_away", lambda: None)  # each finds out for itself
        monkeypatch.setattr(reads, "note_away", lambda: None)
        monkeypatch.setattr(renewal, "threading", SimpleNamespace(Lock=lambda: TurnLock(stop)))
        monkeypatch.setattr(renewal.Renewer, "want", renewal.Renewer.renew_used)
        _step_through(monkeypatch)
        _have_two_releases(monkeypatch)
        world = World()
        _set_clock(monkeypatch, world)
        try:
            yield world
        finally:
            world.close()
            connection.breaker.succeeded()
            get_options.cache_clear()


def running() -> Process:
    process = current_process()
    assert process is not None
    return process


def stop(doing: Doing) -> None:
    """Before what others can notice, if it is a process that does it and not the test."""
    process = current_process()
    if process:
        process.stop(doing)


def _set_clock(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """The world's time is that of its own threads: what another test left running goes on by the real one."""
    test, real_sleep, real_ns = threading.current_thread(), clock.sleep, clock.monotonic_ns

    def in_world() -> bool:
        return threading.current_thread() is test or current_process() is not None

    monkeypatch.setattr(connection.breaker, "_clock", lambda: world.now_ns / 1e9)
    monkeypatch.setattr(local_store, "sleep", lambda seconds: running().drains(seconds))
    monkeypatch.setattr(clock, "sleep", lambda seconds: world.wait(seconds) if in_world() else real_sleep(seconds))
    monkeypatch.setattr(clock, "monotonic_ns", lambda: world.tick() if in_world() else real_ns())


def _have_two_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of the later release write a member more, and can do nothing with what lacks it."""
    for lookup in (ENTITY, ENTITY_TYPES):
        monkeypatch.setitem(vars(lookup), "encode", partial(_encode, lookup.encode))
        monkeypatch.setitem(vars(lookup), "decode", partial(_decode, lookup.decode))


ENDS, ENDS_LATER = b'Z"}', b'Z","remark":"By the later release"}'


def _encode(encode: Callable[[Any], bytes], document: Any) -> bytes:
    process = current_process()
    return encode(document).replace(ENDS, ENDS_LATER) if process and process.is_of_later_release else encode(document)


def _decode(decode: Callable[[str, bytes], Any], identifier: str, payload: bytes) -> Any:
    process = current_process()
    if not (process and process.is_of_later_release):
        return decode(identifier, payload)
    document = decode(identifier, payload.replace(ENDS_LATER, ENDS))
    if ENDS in payload:
        raise OtherRelease(None, document.__eq__)
    return document


def _step_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop processes before what others can notice."""
    options = {version: dataclasses.replace(get_options(), schema_version=version) for version in (1, 2)}
    exchange, run, note_stamps = connection._guarded, scripts.run_script, renewal.note_stamps
    prolong, commit, release = local_store.Copy.prolong, BaseDatabaseWrapper._commit, writes.ReleaseOnCommit.__call__

    def guarded(command: Callable[[], Any], *, essential: bool) -> Any:
        process = current_process()
        return exchange(partial(process.runs_redis, command) if process else command, essential=essential)

    def run_script(client: Any, name: str, asked: Sequence[Any], **how: Any) -> Any:
        process = current_process()
        if process is None or not asked:
            return run(client, name, asked, **how)
        nodes = process.world.scene.nodes
        if nodes and not isinstance(client, NodesApart):
            client = NodesApart(client, nodes)
        return process.runs_script(partial(run, client, name, asked, **how), name, asked[0].arguments[0])

    def keep_stamps(found: Mapping[str, bytes | None], *, asked_ns: int) -> None:
        for key, nonce in found.items():
            stop(Doing.KEEP_STAMP)
            note_stamps({key: nonce}, asked_ns=asked_ns)

    def keep_copy(copy: local_store.Copy, asked_ns: int) -> None:
        stop(Doing.KEEP)
        prolong(copy, asked_ns)

    def commit_in_step(session: Any) -> None:
        process = current_process()
        return process.commits(partial(commit, session)) if process else commit(session)

    def release_on_commit(self: writes.ReleaseOnCommit) -> None:
        try:
            release(self)
        except Exception as error:  # Django would only log it
            running().swallowed = error

    def own_options() -> Options:
        process = current_process()
        return options[process.schema_version if process else 1]

    for module in (run_id, keys):
        monkeypatch.setattr(module, "get_options", own_options)
    monkeypatch.setattr(connection, "_guarded", guarded)
    monkeypatch.setattr(scripts, "run_script", run_script)
    monkeypatch.setattr(renewal, "note_stamps", keep_stamps)
    monkeypatch.setattr(local_store.Copy, "prolong", keep_copy)
    monkeypatch.setattr(BaseDatabaseWrapper, "_commit", commit_in_step)
    monkeypatch.setattr(writes.ReleaseOnCommit, "__call__", release_on_commit)
