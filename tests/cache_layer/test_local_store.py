"""What this process keeps in memory."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns

from cache_layer.memory.local_store import Copy, find_copy, keep_copy, look_at_copy, note_stamps, stamps_used_since

SECOND = 1_000_000_000


def test_other_bytes_are_another_copy_and_leave_the_lease_of_the_old_one_alone() -> None:
    old = keep_copy(Copy("a key", "old", b"old"), monotonic_ns() - SECOND)
    assert old is not None
    until_ns = old.until_ns
    new = keep_copy(Copy("a key", "new", b"new"), monotonic_ns() + SECOND)
    assert find_copy("a key") is new
    assert (new and new.document, old.document, old.until_ns) == ("new", "old", until_ns)


def test_the_same_bytes_are_the_same_copy_whose_lease_is_never_shortened() -> None:
    asked_ns = monotonic_ns() + SECOND
    copy = keep_copy(Copy("a key", "document", b"bytes"), asked_ns)
    assert copy is not None
    until_ns = copy.until_ns
    assert keep_copy(Copy("a key", "equal", b"bytes"), asked_ns - SECOND) is copy
    assert (copy.until_ns, copy.document) == (until_ns, "document")
    keep_copy(Copy("a key", "equal", b"bytes"), asked_ns + SECOND)
    assert copy.until_ns == until_ns + SECOND


def test_a_copy_that_rests_may_be_used_until_its_rest_or_its_stamp_ends() -> None:
    assert look_at_copy("a key") is None
    keep_copy(Copy("another key", "document", b"bytes"), monotonic_ns() - SECOND)
    assert look_at_copy("another key") == (b"bytes", 0)
    note_stamps({"a stamp": b"a nonce"}, asked_ns=monotonic_ns() + 10 * SECOND)
    asked_ns = monotonic_ns()
    resting = Copy("a key", "document", b"ours", b"a later release's", stamp_key="a stamp", rest_ns=5 * SECOND)
    copy = keep_copy(resting, asked_ns)
    assert copy is not None
    payload, milliseconds = look_at_copy("a key") or (b"", 0)
    assert payload == b"a later release's"
    assert milliseconds in range(4_000, 5_000)
    assert (copy.is_due(copy.due_ns - 1), copy.is_due(copy.due_ns)) == (False, True)
    note_stamps({"a stamp": b"another"}, asked_ns=asked_ns)
    assert copy.is_due(copy.due_ns - 1)
    assert (look_at_copy("a key") or (b"", 1_000))[1] < 1_000


def test_a_copy_is_known_as_long_as_its_stamp_is_the_same() -> None:
    asked_ns = monotonic_ns()
    note_stamps({"a stamp": b"a nonce"}, asked_ns=asked_ns)
    copy = keep_copy(Copy("a key", "document", b"", b"bytes", "a stamp", 5 * SECOND), monotonic_ns())
    assert copy is not None
    assert not copy.is_known_since(asked_ns + SECOND)
    note_stamps({"a stamp": b"a nonce"}, asked_ns=asked_ns + 2 * SECOND)
    assert copy.is_known_since(asked_ns + SECOND)


def test_of_several_stamps_some_are_the_same_and_others_are_new() -> None:
    for nonce in (b"a nonce", b"another"):
        note_stamps({"the same": b"a nonce", "ever new": nonce}, asked_ns=monotonic_ns())
    nonces = {stamp.key: stamp.nonce for stamp in stamps_used_since(0)}
    assert nonces == {"the same": b"a nonce", "ever new": b"another"}


def test_no_more_copies_are_kept_than_the_setting_says(set_options: Callable[..., None]) -> None:
    set_options(local_entries=2)
    for number in range(3):
        keep_copy(Copy(f"key {number}", "document", b"bytes"), monotonic_ns() + SECOND)
    assert [find_copy(f"key {number}") is not None for number in range(3)] == [False, True, True]
