"""What is written and read in one run, and what is wrong with it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple

from cache_layer.lookup import Lookup

MIN_READS, MIN_WRITES, MORE_SECONDS = 100, 12, 30
"""How much there must be to judge, and how much longer it may take on a machine that is busy."""
ROLLED_BACK = -1


class Seen(NamedTuple):
    """What a read gave, and which write of its row had returned before it began."""

    row: str
    payload: bytes
    after: int


@dataclass
class Run:
    """
    What happened.

    Attributes:
        versions: of each row, by the bytes of its document.
        returned: the newest of each row's writes that has returned; other processes see it too.
    """

    until: float
    rows: tuple[str, ...]
    returned: memoryview
    versions: dict[str, dict[bytes, int]]
    seen: set[Seen] = field(default_factory=set)
    reads: int = 0
    writes: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def goes_on(self) -> bool:
        now = monotonic()
        if self.stop.is_set() or now >= self.until + MORE_SECONDS:
            return False
        return now < self.until or self.reads < MIN_READS or self.writes < MIN_WRITES

    def note(self, row: str, payload: bytes, version: int) -> None:
        """
        A write made this document of the row.

        Raises:
            ValueError: the row was that before.
        """
        if self.versions[row].setdefault(payload, version) != version:
            raise ValueError(f"A write of {row!r} left the document as it was before: {payload!r:.200}")

    def judge(self, lookup: Lookup[Any]) -> None:
        """
        Raises:
            AssertionError: a read gave what it must not.
            ValueError: nothing was read, or written.
        """
        if not self.reads or not self.writes:
            raise ValueError(f"There was no time to write and to read, in {MORE_SECONDS} seconds more than given.")
        for row, payload, after in self.seen:
            version = self.versions[row].get(payload)
            what = f"{lookup.name} {row!r}: a read that began when write {after} had returned gave"
            if version is None:
                raise AssertionError(f"{what} what was never written: {payload!r}")
            if version == ROLLED_BACK:
                raise AssertionError(f"{what} what was rolled back: {payload!r}")
            if version < after:
                raise AssertionError(
                    f"{what} what write {version} had left, {payload!r}. Something changes the row past `save`,"
                    " `delete` or the QuerySet, or its document depends on fields or rows its lookup does not name."
                )
