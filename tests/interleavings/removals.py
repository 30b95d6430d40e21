"""Pieces of the protocol, taken away one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from cache_layer import clock, keys
from cache_layer.lookup import loading
from cache_layer.memory import local_store, pending
from cache_layer.memory.pending import Write
from cache_layer.models import Change
from cache_layer.protocol import calls, scripts
from cache_layer.protocol.scripts import Invalidated, Released, invalidate_keys
from cache_layer.reading import reads
from cache_layer.server import connection, run_id
from cache_layer.upkeep import relay
from cache_layer.writing import commit, release, writes

Removal = Callable[[pytest.MonkeyPatch], None]


def lua(script: str, there: str, instead: str) -> Removal:
    """Other text in one place of a Lua script."""

    def remove(monkeypatch: pytest.MonkeyPatch) -> None:
        source = run_id.lua_source
        whole = source(script)
        assert whole.count(there) == 1, f"{there!r} is in {script}.lua {whole.count(there)} times"
        without = whole.replace(there, instead)
        for module in (run_id, calls):
            monkeypatch.setattr(module, "lua_source", lambda name: without if name == script else source(name))
        monkeypatch.setattr(calls, "script_source", calls.script_source.__wrapped__)

    return remove


def code(module: Any, name: str, instead: Any) -> Removal:
    """Another function (or value) in place of a module's."""

    def remove(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, name, instead)

    return remove


def trust_companions(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {pattern for pattern in keys._purged_patterns if not pattern.startswith("{")}
    monkeypatch.setattr(keys, "_purged_patterns", values)


def keep_one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    place_holds, ids = writes._place_holds, threading.local()

    def place_under_one_id(write: Write, keys: list[str]) -> tuple[str | None, dict[str, bool]]:
        ids.one = uuid4()
        return place_holds(write, keys)

    def same_id() -> UUID:
        return ids.one  # type: ignore[no-any-return] # a thread's attributes have no types

    monkeypatch.setattr(writes, "uuid4", same_id)
    monkeypatch.setattr(writes, "_place_holds", place_under_one_id)


def count_from_now(monkeypatch: pytest.MonkeyPatch) -> None:
    prolong = local_store.Copy.prolong
    monkeypatch.setattr(local_store.Copy, "prolong", lambda copy, _asked_ns: prolong(copy, clock.monotonic_ns()))


def drain_from_first_hold(write: Write) -> None:
    if not write.drained_ns:
        _begin_drain(write)


def forget_all_changes(_: object, using: str) -> None:
    _forget_changes(list(Change.objects.using(using).values_list("id", flat=True)), using)


def call_held_told(*args: Any, **kwargs: Any) -> dict[str, Invalidated]:
    outcomes = invalidate_keys(*args, **kwargs)
    return {key: Invalidated(max(outcome.value, Invalidated.NOTHING.value)) for key, outcome in outcomes.items()}


def give_up_unheld(write: Write, held: release.Held, rows: Any) -> dict[str, Released]:
    write.budget_spent = not any(entry.holder for entry in held.values())
    return _update_redis(write, held, rows)


def drain_if_answered() -> None:
    if not connection.breaker.failures:
        _drain()


ALL_FURTHER = keys.further_keys


def _further_keys_without_known(key: str) -> tuple[str, ...]:
    known = {keys.known_key(key, version) for version in (1, 2)}
    return tuple("{nobody}" if further in known else further for further in ALL_FURTHER(key))


def _holds_key_of_version(key: str) -> str:
    return keys._of_version(key, "holds", None)


_forget_changes = release._forget_changes
_update_redis = release._update_redis
_drain = release.drain
_begin_drain = Write.begin_drain

TAKEN_AT_ONCE = 'redis.call("UNLINK", KEYS[1], KEYS[2], KEYS[5], unpack(KEYS, 6))'
ENDED_AT_ONCE = 'redis.call("UNLINK", KEYS[1], KEYS[2], KEYS[5], unpack(KEYS, 6, #KEYS - 1))'
COMPANIONS = 'redis.call("UNLINK", KEYS[2], KEYS[3], KEYS[4], unpack(KEYS, 7))'

REMOVALS: dict[str, Removal] = {
    "fill ignores its lease": lua("fill", 'redis.call("GET", KEYS[2]) ~= ARGV[1]', "false"),
    "hold leaves the lease": lua("hold", TAKEN_AT_ONCE, 'redis.call("UNLINK", KEYS[1], KEYS[5])'),
    "hold leaves the value": lua("hold", TAKEN_AT_ONCE, 'redis.call("UNLINK", KEYS[2], KEYS[5])'),
    "hold leaves the absence": lua("hold", TAKEN_AT_ONCE, 'redis.call("UNLINK", KEYS[1], KEYS[2])'),
    "claim ignores holds": lua("claim", '> 0 then\n  return { "held" }', '> 9 then\n  return { "held" }'),
    "an autocommitted writer does not drain": code(Write, "drain", lambda _: None),
    "a COMMIT does not wait": code(commit, "drain_writes", lambda _: None),
    "the drain begins at the hold of an earlier row": code(Write, "begin_drain", drain_from_first_hold),
    "hold leaves the other version": lua("hold", ", unpack(KEYS, 6)", ""),
    "release leaves the other version": lua("release", ", unpack(KEYS, 6, #KEYS - 1)", ""),
    "invalidate leaves the other version": lua("invalidate", ", unpack(KEYS, 7)", ""),
    "a writer leaves the last known value": code(scripts, "further_keys", _further_keys_without_known),
    "what is last known is served while the database is there": code(reads, "is_away", lambda: True),
    "each version holds for itself": code(scripts, "holds_key", _holds_key_of_version),
    "release leaves the value": lua("release", ENDED_AT_ONCE, 'redis.call("UNLINK", KEYS[2], KEYS[5])'),
    "release leaves the lease": lua("release", ENDED_AT_ONCE, 'redis.call("UNLINK", KEYS[1], KEYS[5])'),
    "a lost hold is not noticed": lua("release", "if not expiry or tonumber(expiry) <= now then", "if false then"),
    "a lost hold leaves others alone": lua("release", 'redis.call("DEL", KEYS[4]) -- a lost hold', "-- a lost hold"),
    "a hold taken before does not count": lua("hold", "return alone and 1 or 0", "return 1"),
    "a hold taken since does not count": lua(
        "release", 'if redis.call("GET", KEYS[4]) ~= ARGV[1] then', "if false then"
    ),
    "a hold is tried again under the same id": keep_one_id,
    "a refused hold is given up at once": code(release, "_update_redis", give_up_unheld),
    "a refused release does not drain": code(release, "drain", drain_if_answered),
    "a commit in doubt gives up its hold": code(pending.Write, "is_in_doubt", lambda _: False),
    "no guard": lua("guard", "== run_id then", "~= 0 then"),
    "the guard leaves companions": trust_companions,
    "the guard purges living holds": lua("guard", "if is_another_run or", "if true or"),
    "the guard leaves holds of another run": lua("guard", "if is_another_run or", "if"),
    "what is not committed may be cached": code(loading, "MAY_BE_CACHED", "true"),
    "an old snapshot may be cached": code(loading, "MAY_BE_CACHED", "pg_current_xact_id_if_assigned() IS NULL"),
    "a copy's lease counts from when it is kept": count_from_now,
    "invalidate leaves the last holder": lua("invalidate", COMPANIONS, 'redis.call("UNLINK", KEYS[2], KEYS[4])'),
    "invalidate leaves the lease": lua("invalidate", COMPANIONS, 'redis.call("UNLINK", KEYS[3], KEYS[4])'),
    "the relay forgets what it left": code(relay, "invalidate_keys", call_held_told),
    "a writer forgets changes it has not read back": code(release, "_forget_changes", forget_all_changes),
}
