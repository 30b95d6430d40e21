"""
L1: this process's memory, time-leased.

A copy may be used for `local_lease_ms`, counted on the monotonic clock from before the command that fetched it was
sent. A writer waits that long after its hold, so no copy outlives the value it copies.
"""

from __future__ import annotations

import os
import time
from time import monotonic_ns
from typing import Any

from cache_layer.metrics import DRAINS
from cache_layer.options import get_options


class Copy:
    """
    A value in this process's memory.

    Attributes:
        until_ns: `monotonic_ns()` at which its lease ends; it moves on while Redis keeps giving the same bytes.
    """

    __slots__ = ("document", "key", "payload", "until_ns")

    def __init__(self, key: str, document: Any, payload: bytes, until_ns: int) -> None:
        self.key = key
        self.document = document
        self.payload = payload
        self.until_ns = until_ns

    def prolong(self, asked_ns: int) -> None:
        """Begin its lease anew: Redis was asked then, and had the same bytes."""
        self.until_ns = max(self.until_ns, lease_end_ns(asked_ns))


_copies: dict[str, Copy] = {}


def lease_end_ns(asked_ns: int) -> int:
    """When the lease ends of what a Redis command fetched (or stored) that was sent at `asked_ns`, or after it."""
    return asked_ns + get_options().local_lease_ms * 1_000_000


def find_copy(key: str) -> Copy | None:
    """The copy of `key`, while its lease lasts."""
    copy = _copies.get(key)
    if copy is not None and monotonic_ns() < copy.until_ns:
        return copy
    return None


def keep_copy(key: str, document: Any, payload: bytes, *, asked_ns: int) -> Copy | None:
    """
    Keep a value for the rest of its local lease.

    Args:
        asked_ns: `monotonic_ns()` from before the Redis command that fetched (or stored) it was sent.
    Returns:
        The copy, the same as before if the bytes are; None if none are kept.
    """
    options = get_options()
    if not options.local_lease_ms:
        return None
    copy = _copies.pop(key, None)
    while len(_copies) >= options.local_entries:
        try:
            del _copies[next(iter(_copies))]
        except (KeyError, StopIteration, RuntimeError):  # another thread made room
            break
    if copy is not None and copy.payload == payload:
        copy.prolong(asked_ns)
    else:
        copy = Copy(key, document, payload, lease_end_ns(asked_ns))
    _copies[key] = copy
    return copy


def drain() -> None:
    """Wait until every copy made before now has reached the end of its lease, in every process."""
    DRAINS.inc()
    time.sleep(get_options().local_lease_ms / 1000)


def drop_copy(key: str) -> None:
    """Forget the copy of `key` in this process."""
    _copies.pop(key, None)


def drop_all_copies() -> None:
    """Forget every copy in this process; a forked child begins so."""
    _copies.clear()


os.register_at_fork(after_in_child=drop_all_copies)
