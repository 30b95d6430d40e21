"""
L1: copies in this process's memory, under time leases.

A copy may be used for `local_lease_ms`, counted on the monotonic clock from before the command that fetched it was
sent. A writer waits that long after its hold, so no copy outlives its value.

A copy may also rest on its entry's stamp. A writer ends the stamp together with the value, so the value has not changed
while Redis returns the same stamp as before the value was fetched.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import sleep
from typing import Any

from cache_layer import clock
from cache_layer.metrics import DRAINS
from cache_layer.options import get_options


@dataclass(eq=False, slots=True)
class Stamp:
    """
    A stamp as Redis gave it.

    Attributes:
        known_ns: `monotonic_ns()` just after Redis first returned its nonce.
        until_ns: `monotonic_ns()` at which its lease ends; extended while Redis returns the same nonce.
        used_ns: when a copy that rests on it was last used.
    """

    key: str
    nonce: bytes
    until_ns: int
    known_ns: int
    used_ns: int = field(default=0, init=False)


@dataclass(eq=False, repr=False, slots=True)
class Copy:
    """
    A value in this process's memory.

    Attributes:
        payload: the bytes to serve.
        read_payload: the uncompressed bytes found in Redis; others than `payload` if a later release wrote them.
        until_ns: `monotonic_ns()` at which its lease ends; extended while Redis returns the same bytes.
        stamp_key: the key of its entry's stamp; empty if it has none.
        stamp: the stamp it rests on.
        rests_until_ns: when its rest ends at the latest.
        due_ns: when to ask Redis for its bytes again, before its rest ends.
        rest_ns: how long it may rest each time Redis has returned its bytes.
        used_ns: when it was last used while it rested.
        is_watched: whether it will be renewed when due, if it is in use then.
    """

    key: str
    document: Any
    payload: bytes
    read_payload: bytes = b""
    stamp_key: str = ""
    rest_ns: int = 0
    stamp: Stamp | None = field(default=None, init=False)
    until_ns: int = field(default=0, init=False)
    rests_until_ns: int = field(default=0, init=False)
    due_ns: int = field(default=0, init=False)
    used_ns: int = field(default=0, init=False)
    is_watched: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.read_payload = self.read_payload or self.payload

    def prolong(self, asked_ns: int) -> None:
        """Restart its lease: Redis, asked at `asked_ns`, had the same bytes. Rest it on the current stamp."""
        self.until_ns = max(self.until_ns, lease_end_ns(asked_ns))
        stamp = _stamps.get(self.stamp_key)
        if stamp is not None and stamp.known_ns <= asked_ns:  # else the value may be older than the stamp
            self.stamp, self.rests_until_ns = stamp, asked_ns + self.rest_ns
            self.due_ns = asked_ns + self.rest_ns * 3 // 4

    def is_usable(self, now_ns: int) -> bool:
        """Whether its own lease, or that of the stamp it rests on, is still running."""
        if now_ns < self.until_ns:
            return True
        stamp = self.stamp
        return stamp is not None and now_ns < stamp.until_ns and now_ns < self.rests_until_ns

    def is_known_since(self, moment_ns: int) -> bool:
        """Whether Redis, asked then or later, still had its value, even if the lease has ended since."""
        lasts_ns = lease_ns()
        if self.until_ns - lasts_ns >= moment_ns:
            return True
        stamp = self.stamp
        return stamp is not None and moment_ns <= stamp.until_ns - lasts_ns < self.rests_until_ns

    def is_due(self, now_ns: int) -> bool:
        """Whether to ask Redis for its bytes: it rests on no stamp, or its rest is about to end."""
        return now_ns >= self.due_ns or self.stamp is None or now_ns >= self.stamp.until_ns


_copies: dict[str, Copy] = {}
_stamps: dict[str, Stamp] = {}


def lease_ns() -> int:
    """How long a local lease lasts."""
    return get_options().local_lease_ms * 1_000_000


def lease_end_ns(asked_ns: int) -> int:
    """When the lease ends of a value that Redis returned (or stored) for a command sent at `asked_ns` or later."""
    return asked_ns + lease_ns()


def find_copy(key: str) -> Copy | None:
    """The copy of `key`, while it may be used."""
    copy = _copies.get(key)
    return copy if copy is not None and copy.is_usable(clock.monotonic_ns()) else None


def look_at_copy(key: str) -> tuple[bytes, int] | None:
    """
    The bytes that a copy was read from, and how many more milliseconds it may be used; None if there is no copy.

    Changes nothing.
    """
    copy = _copies.get(key)
    if copy is None:
        return None
    until_ns = copy.until_ns
    if copy.stamp is not None:
        until_ns = max(until_ns, min(copy.stamp.until_ns, copy.rests_until_ns))
    return copy.read_payload, max(0, (until_ns - clock.monotonic_ns()) // 1_000_000)


def keep_copy(fresh: Copy, asked_ns: int) -> Copy | None:
    """
    Keep a copy for the rest of its local lease.

    Args:
        asked_ns: `monotonic_ns()` just before sending the Redis command that fetched (or stored) its value.
    Returns:
        The copy, the existing one if its bytes are the same; None if local copies are off.
    """
    options = get_options()
    if not options.local_lease_ms:
        return None
    known = _copies.pop(fresh.key, None)
    make_room(_copies, options.local_entries)
    copy = known if known is not None and known.read_payload == fresh.read_payload else fresh
    copy.prolong(asked_ns)
    _copies[copy.key] = copy
    return copy


def make_room(kept: dict[str, Any], limit: int) -> None:
    """Forget the oldest items until there is room for one more."""
    while len(kept) >= limit:
        try:
            del kept[next(iter(kept))]
        except (KeyError, StopIteration, RuntimeError):  # another thread made room
            break


def note_stamps(found: Mapping[str, bytes | None], *, asked_ns: int) -> None:
    """Record the nonces, or none, that Redis returned when asked at `asked_ns`; copies resting on other ones end."""
    until_ns = lease_end_ns(asked_ns)
    for key, nonce in found.items():
        stamp = _stamps.get(key)
        if stamp is not None and stamp.nonce == nonce:
            stamp.until_ns = max(stamp.until_ns, until_ns)
            continue
        if stamp is not None:
            stamp.until_ns = 0
            _stamps.pop(key, None)
        if nonce:
            _stamps[key] = Stamp(key, nonce, until_ns, clock.monotonic_ns())


def stamps_used_since(moment_ns: int) -> list[Stamp]:
    """The stamps of resting copies that were used since then."""
    return [stamp for stamp in list(_stamps.values()) if stamp.used_ns >= moment_ns]


def drain() -> None:
    """Wait until the lease of every copy made before now, in any process, has ended."""
    wait_out(lease_ns())


def wait_out(left_ns: int) -> None:
    """Wait for leases that end in `left_ns` at the latest."""
    DRAINS.inc()
    sleep(left_ns / 1e9)


def drop_copy(key: str) -> None:
    """Forget the copy of `key` in this process."""
    _copies.pop(key, None)


def drop_all_copies() -> None:
    """Forget every copy in this process; also runs in a forked child."""
    _copies.clear()
    for stamp in list(_stamps.values()):
        stamp.until_ns = 0
    _stamps.clear()


os.register_at_fork(after_in_child=drop_all_copies)
