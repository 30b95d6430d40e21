"""Pieces of what stamps need, taken away one at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pytest

from cache_layer import clock, keys
from cache_layer.lookup import Loaded, Lookup, load
from cache_layer.memory import local_store
from cache_layer.protocol.scripts import HoldRelease, Invalidated, Released, hold_keys, invalidate_keys, release_keys
from cache_layer.serving import renewal
from cache_layer.upkeep import clearing, relay
from cache_layer.writing import release, write_through, writes
from cache_layer.writing.outbox import find_changes
from tests.interleavings.entries import KEYS, STAMP
from tests.interleavings.removals import Removal, code, lua

THE_STAMP = STAMP["the stamp"]
NONCE = '("%s:%s.%s"):format(ARGV[1], time[1], time[2])'


class LongKnownStamp(local_store.Stamp):
    __slots__ = ()

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.known_ns = 0


def count_stamp_from_now(monkeypatch: pytest.MonkeyPatch) -> None:
    note = renewal.note_stamps

    def note_now(found: Mapping[str, bytes | None], **_: int) -> None:
        note(found, asked_ns=clock.monotonic_ns())

    monkeypatch.setattr(renewal, "note_stamps", note_now)


def trust_stamps(monkeypatch: pytest.MonkeyPatch) -> None:
    others = {pattern for pattern in keys._purged_patterns if "stamp" not in pattern}
    monkeypatch.setattr(keys, "_purged_patterns", others)


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
    return {key: Loaded(each.document, each.may_be_cached, changes.get(key, ())) for key, each in loaded.items()}


STAMP_REMOVALS: dict[str, Removal] = {
    "what Redis had before the request counts": code(local_store.Copy, "is_known_since", lambda *_: True),
    "the stamp is not held": code(writes, "hold_keys", hold_entries_alone),
    "a stamp is made while it is held": lua("stamp", "> 0 then", "> 9 then"),
    "a copy rests on a stamp that is known only since it was asked for": code(local_store, "Stamp", LongKnownStamp),
    "a nonce is used again": lua("stamp", NONCE, '"ever the same"'),
    "a command that is sent again makes the same stamp": lua("stamp", NONCE, "ARGV[1]"),
    "a stamp's lease counts from when it is kept": count_stamp_from_now,
    "the stamp is released before its entries": code(release, "release_keys", release_stamps_first),
    "a lost hold on the stamp alone is overlooked": code(release, "release_keys", overlook_lost_stamps),
    "the relay ends the stamp before its entries": code(relay, "invalidate_keys", invalidate_stamp_first),
    "the relay leaves the stamp": code(relay, "invalidate_keys", invalidate_entries_alone),
    "clearing leaves the stamp": code(clearing, "invalidate_keys", invalidate_entries_alone),
    "invalidation by hand leaves the stamp": code(writes, "invalidate_keys", invalidate_entries_alone),
    "the guard leaves stamps": trust_stamps,
    "changes are looked for after the row was read back": code(write_through, "load", load_then_find_changes),
    "who was told of one change was told of all": lua(
        "invalidate", 'not redis.call("ZSCORE", KEYS[6], id)', 'redis.call("EXISTS", KEYS[6]) == 0'
    ),
}
