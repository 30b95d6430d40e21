"""
L1: this process's memory, time-leased.

A copy may be used for `local_lease_ms`, counted on the monotonic clock from before the command that fetched it was
sent. A writer waits that long after its hold, so no copy outlives the value it copies.
"""

from __future__ import annotations

import os
from time import monotonic_ns
from typing import Any, NamedTuple

from cache_layer.options import get_options


class Copy(NamedTuple):
    until_ns: int
    document: Any
    payload: bytes


_copies: dict[str, Copy] = {}


def find_copy(key: str) -> Copy | None:
    """The copy of `key`, while its lease lasts."""
    copy = _copies.get(key)
    if copy is not None and monotonic_ns() < copy.until_ns:
        return copy
    return None


def keep_copy(key: str, document: Any, payload: bytes, *, asked_ns: int) -> int:
    """
    Keep a value for the rest of its local lease.

    Args:
        asked_ns: `monotonic_ns()` from before the Redis command that fetched (or stored) it was sent.
    Returns:
        `monotonic_ns()` at which the lease ends; 0 if nothing is kept.
    """
    options = get_options()
    if not options.local_lease_ms:
        return 0
    while len(_copies) >= options.local_entries:
        try:
            del _copies[next(iter(_copies))]
        except (KeyError, StopIteration, RuntimeError):  # another thread made room
            break
    _copies.pop(key, None)
    copy = _copies[key] = Copy(asked_ns + options.local_lease_ms * 1_000_000, document, payload)
    return copy.until_ns


def drop_copy(key: str) -> None:
    """Forget the copy of `key` in this process."""
    _copies.pop(key, None)


def drop_all_copies() -> None:
    """Forget every copy in this process; a forked child begins so."""
    _copies.clear()


os.register_at_fork(after_in_child=drop_all_copies)
