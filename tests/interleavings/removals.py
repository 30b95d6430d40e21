"""Pieces of the protocol, taken away one at a time."""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from cache_layer import clock, keys
from cache_layer.lookup import Loaded, Lookup, load, loading
from cache_layer.memory import local_store, pending
from cache_layer.memory.pending import Write
from cache_layer.models import Change
from cache_layer.protocol import calls, scripts
from cache_layer.protocol.scripts import HoldRelease, Invalidated, Released, hold_keys, invalidate_keys, release_keys
from cache_layer.reading import reads
from cache_layer.server import connection, run_id
from cache_layer.serving import renewal
from cache_layer.upkeep import clearing, relay
from cache_layer.writing import commit, release, write_through, writes
from cache_layer.writing.outbox import find_changes
from tests.interleavings.entries import KEYS, STAMP

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


def purging(is_purged: Callable[[str], bool]) -> Removal:
    """A guard that leaves all other keys."""

    def remove(monkeypatch: pytest.MonkeyPatch) -> None:
        left = list(filter(is_purged, keys.purged_patterns()))
        for module in (keys, run_id):
            monkeypatch.setattr(module, "purged_patterns", lambda: left)

    return remove


def keep_one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    place_holds, ids = writes._place_holds, threading.local()

    def place_under_one_id(write: Write, keys: list[str]) -> tuple[str | None, dict[str, bool]]:
        ids.one = uuid4()
        return place_holds(write, keys)

    def same_id() -> UUID:
        return ids.one  # type: ignore[no-any-return] # a thread's attributes have no types

    monkeypatch.setattr(writes, "uuid4", same_id)
    monkeypatch.setattr(writes, "_place_holds", place_under_one_id)


def keep_from_now(copy: local_store.Copy, _asked_ns: int) -> None:
    _prolong(copy, clock.monotonic_ns())


def note_stamps_from_now(found: Mapping[str, bytes | None], **_: int) -> None:
    _note_stamps(found, asked_ns=clock.monotonic_ns())


def drain_from_first_hold(write: Write) -> None:
    if not write.drained_ns:
        _begin_drain(write)


def forget_all_changes(_: object, using: str) -> None:
    _forget_changes(list(Change.objects.using(using).values_list("id", flat=True)), using)


def call_held_told(*args: Any, **kwargs: Any) -> dict[str, Invalidated]:
    outcomes = invalidate_keys(*args, **kwargs)
    return {key: Invalidated(max(outcome.value, Invalidated.NOTHING.value)) for key, outcome in outcomes.items()}


def give_up_unheld(write: Write, held: release.Held) -> set[str]:
    write.budget_spent = not any(entry.holder for entry in held.values())
    return _update_redis(write, held)


def drain_if_answered() -> None:
    if not connection.breaker.failures:
        _drain()


def further_keys_without_known(key: str) -> tuple[str, ...]:
    known = {keys.known_key(key, version) for version in (1, 2)}
    return tuple("{nobody}" if further in known else further for further in _further_keys(key))


class LongKnownStamp(local_store.Stamp):
    __slots__ = ()

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.known_ns = 0


def hold_entries_alone(keys: Sequence[str], holder: str) -> dict[str, bool]:
    return hold_keys([key for key in keys if key != THE_STAMP], holder)


def release_stamps_first(releases: Sequence[HoldRelease], stamps: Sequence[HoldRelease]) -> dict[str, Released]:
    return release_keys([*stamps, *releases])


def overlook_lost_stamps(releases: Sequence[HoldRelease], stamps: Sequence[HoldRelease]) -> dict[str, Released]:
    return release_keys(releases, stamps) | {stamp.key: Released.RELEASED for stamp in stamps}


def invalidate_entries_alone(keys: Iterable[str], _: Any = (), **how: Any) -> dict[str, Invalidated]:
    return invalidate_keys(keys, **how)


def invalidate_stamp_first(keys: Iterable[str], _: Any = (), **how: Any) -> dict[str, Invalidated]:
    if KEYS["the type"] in keys:
        invalidate_keys((), [THE_STAMP])
    return invalidate_keys(keys, **how)


def load_then_find_changes(lookup: Lookup[Any], identifiers: Collection[str], **_: bool) -> dict[str, Loaded[Any]]:
    loaded = load(lookup, list(identifiers))
    changes = find_changes(lookup, identifiers, using="default")
    return {
        key: Loaded(each.document, each.payload, each.may_be_cached, changes.get(key, ()))
        for key, each in loaded.items()
    }


_forget_changes = release._forget_changes
_update_redis = release._update_redis
_drain = release.drain
_begin_drain = Write.begin_drain
_prolong = local_store.Copy.prolong
_note_stamps = renewal.note_stamps
_further_keys = keys.further_keys

THE_STAMP = STAMP["the stamp"]
NONCE = '("%s:%s.%s"):format(ARGV[1], time[1], time[2])'
AT_ONCE = 'redis.call("UNLINK", KEYS[1], KEYS[2], KEYS[5], unpack(KEYS, 7))'
COMPANIONS = 'redis.call("UNLINK", KEYS[2], KEYS[4], KEYS[5], unpack(KEYS, 7))'

REMOVALS: dict[str, Removal] = {
    "fill ignores its lease": lua("fill", 'redis.call("GET", KEYS[2]) ~= ARGV[1]', "false"),
    "hold leaves the lease": lua("hold", AT_ONCE, 'redis.call("UNLINK", KEYS[1], KEYS[5])'),
    "hold leaves the value": lua("hold", AT_ONCE, 'redis.call("UNLINK", KEYS[2], KEYS[5])'),
    "hold leaves the absence": lua("hold", AT_ONCE, 'redis.call("UNLINK", KEYS[1], KEYS[2])'),
    "claim ignores holds": lua("claim", '> 0 then\n  return { "held" }', '> 9 then\n  return { "held" }'),
    "an autocommitted writer does not drain": code(Write, "drain", lambda _: None),
    "a COMMIT does not wait": code(commit, "drain_writes", lambda _: None),
    "the drain begins at the hold of an earlier row": code(Write, "begin_drain", drain_from_first_hold),
    "hold leaves the other version": lua("hold", ", unpack(KEYS, 7)", ""),
    "release leaves the other version": lua("release", ", unpack(KEYS, 7)", ""),
    "invalidate leaves the other version": lua("invalidate", ", unpack(KEYS, 7)", ""),
    "a writer leaves the last known value": code(scripts, "further_keys", further_keys_without_known),
    "what is last known is served while the database is there": code(reads, "is_away", lambda: True),
    "each version holds for itself": code(scripts, "holds_key", lambda key: keys._of_version(key, "holds", None)),
    "release leaves the value": lua("release", AT_ONCE, 'redis.call("UNLINK", KEYS[2], KEYS[5])'),
    "release leaves the lease": lua("release", AT_ONCE, 'redis.call("UNLINK", KEYS[1], KEYS[5])'),
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
    "the guard leaves companions": purging(lambda pattern: not pattern.startswith("{")),
    "the guard purges living holds": lua("guard", "if is_another_run or", "if true or"),
    "the guard leaves holds of another run": lua("guard", "if is_another_run or", "if"),
    "what is not committed may be cached": code(loading, "MAY_BE_CACHED", "true"),
    "an old snapshot may be cached": code(loading, "MAY_BE_CACHED", "pg_current_xact_id_if_assigned() IS NULL"),
    "a copy's lease counts from when it is kept": code(local_store.Copy, "prolong", keep_from_now),
    "invalidate leaves the last holder": lua("invalidate", COMPANIONS, 'redis.call("UNLINK", KEYS[2], KEYS[5])'),
    "invalidate leaves the lease": lua("invalidate", COMPANIONS, 'redis.call("UNLINK", KEYS[4], KEYS[5])'),
    "the relay forgets what it left": code(relay, "invalidate_keys", call_held_told),
    "a writer forgets changes it has not read back": code(release, "_forget_changes", forget_all_changes),
    "what Redis had before the request counts": code(local_store.Copy, "is_known_since", lambda *_: True),
    "the stamp is not held": code(writes, "hold_keys", hold_entries_alone),
    "a stamp is made while it is held": lua("stamp", "> 0 then", "> 9 then"),
    "a copy rests on a stamp that is known only since it was asked for": code(local_store, "Stamp", LongKnownStamp),
    "a nonce is used again": lua("stamp", NONCE, '"ever the same"'),
    "a command that is sent again makes the same stamp": lua("stamp", NONCE, "ARGV[1]"),
    "a stamp's lease counts from when it is kept": code(renewal, "note_stamps", note_stamps_from_now),
    "the stamp is released before its entries": code(release, "release_keys", release_stamps_first),
    "a lost hold on the stamp alone is overlooked": code(release, "release_keys", overlook_lost_stamps),
    "the relay ends the stamp before its entries": code(relay, "invalidate_keys", invalidate_stamp_first),
    "the relay leaves the stamp": code(relay, "invalidate_keys", invalidate_entries_alone),
    "clearing leaves the stamp": code(clearing, "invalidate_keys", invalidate_entries_alone),
    "invalidation by hand leaves the stamp": code(writes, "invalidate_keys", invalidate_entries_alone),
    "the guard leaves stamps": purging(lambda pattern: "stamp" not in pattern),
    "changes are looked for after the row was read back": code(write_through, "load", load_then_find_changes),
    "who was told of one change was told of all": lua(
        "invalidate", 'not redis.call("ZSCORE", KEYS[6], id)', 'redis.call("EXISTS", KEYS[6]) == 0'
    ),
}
