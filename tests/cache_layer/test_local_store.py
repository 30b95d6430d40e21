"""What this process keeps in memory."""

from __future__ import annotations

from time import monotonic_ns

from cache_layer.memory.local_store import Copy, find_copy, keep_copy

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
