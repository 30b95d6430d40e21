"""What reads may return, said without any regard to how the cache works."""

from collections.abc import Collection, Hashable
from typing import NamedTuple

Content = str | None
"""What the row says, as a label; None if there is no (active) row."""


class BrokenPromise(AssertionError):
    """A history that must not happen."""


class Expected(NamedTuple):
    """What a read that begins now may return: a version not older than these, by their places in commit order."""

    acknowledged: int
    committed: int
    disturbances: int


class Oracle:
    """
    Every committed version, and the oldest that may still be read.

    Promised
        - A read returns something committed, not older than what was acknowledged before the read began. A Django
          write is acknowledged when its call returns, a change behind Django's back `lease_ms` after the outbox is
          rid of it.
        - Unless disturbed, it is not older than what was committed either: else somebody who reads the database, as
          anyone does while a writer holds, has seen the new before this read gives the old. What disturbs: a writer
          alive without its hold, until it returns, and a change behind Django's back, until it is acknowledged.
    """

    def __init__(self, first: Content, lease_ms: int) -> None:
        self.versions: list[Content] = [first]
        self._acknowledged = 0
        self._lease_ms = lease_ms
        self._disturbing: set[Hashable] = set()
        self._disturbances = 0
        self._in_outbox: dict[int, set[int]] = {}
        self._told: dict[int, float] = {}

    @property
    def newest(self) -> int:
        return len(self.versions) - 1

    @property
    def waits_for_relay(self) -> bool:
        return bool(self._in_outbox)

    @property
    def waits_for_time(self) -> bool:
        return bool(self._told)

    def read_begins(self) -> Expected:
        return Expected(self._acknowledged, self._acknowledged if self._disturbing else self.newest, self._disturbances)

    def read_of_redis_begins(self) -> Expected:
        """What is told to Redis counts at once there, and `lease_ms` later everywhere."""
        everywhere = self.read_begins()
        told = max([*self._told, everywhere.acknowledged])
        return everywhere._replace(acknowledged=told, committed=max(told, everywhere.committed))

    def read_ends(self, expected: Expected, content: Content) -> None:
        """
        Judge a read.

        Raises:
            BrokenPromise: the read was uncommitted, stale, or older than what another may have read.
        """
        if content not in self.versions:
            raise BrokenPromise(f"UNCOMMITTED: {name(content)} is read")
        if content not in self.versions[expected.acknowledged :]:
            acknowledged = name(self.versions[expected.acknowledged])
            raise BrokenPromise(f"STALE: {name(content)} is read although {acknowledged} is acknowledged")
        is_calm = not self._disturbing and expected.disturbances == self._disturbances
        if is_calm and content not in self.versions[expected.committed :]:
            committed = name(self.versions[expected.committed])
            raise BrokenPromise(f"INVERSION: {name(content)} is read although {committed} may have been")

    def committed(self, content: Content, changes: Collection[int]) -> int:
        """A transaction has committed, leaving these changes in the outbox; gives the place of its version."""
        known = set().union(*self._in_outbox.values())
        if content != self.versions[-1]:
            self.versions.append(content)
        self._in_outbox.setdefault(self.newest, set()).update(set(changes) - known)
        return self.newest

    def acknowledge(self, place: int) -> None:
        """Whoever made that version has been told so."""
        self._acknowledged = max(self._acknowledged, place)
        self._disturbing = {who for who in self._disturbing if not (isinstance(who, int) and who <= self._acknowledged)}

    def outbox_seen(self, changes: Collection[int], now_ms: float) -> None:
        """What is in the outbox, and no more."""
        for place, left in list(self._in_outbox.items()):
            left &= set(changes)
            if not left:
                del self._in_outbox[place]
                self._told[place] = now_ms + self._lease_ms

    def time_passed(self, now_ms: float) -> None:
        for place, acknowledged_ms in list(self._told.items()):
            if acknowledged_ms <= now_ms:
                del self._told[place]
                self.acknowledge(place)

    def disturbed(self, by: Hashable) -> None:
        """From now on, new may be followed by old: because of a process, or (by its place) of a version."""
        if not (isinstance(by, int) and by <= self._acknowledged):
            self._disturbing.add(by)
        self._disturbances += 1

    def is_disturbing(self, who: Hashable) -> bool:
        """Whether new may be followed by old because of it."""
        return who in self._disturbing

    def calmed(self, who: str, place: int | None) -> None:
        """A process has ended what it did; if it left a version behind unacknowledged, that goes on disturbing."""
        if who in self._disturbing:
            self._disturbing.discard(who)
            if place is not None:
                self.disturbed(place)


def name(content: Content) -> str:
    return content or "no row"
