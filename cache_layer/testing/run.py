"""What one run wrote and read, and the verdict on it."""

import threading
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple

from cache_layer.lookup import Lookup

MIN_READS, MIN_WRITES, MORE_SECONDS = 100, 12, 30
"""The minimum of reads and writes to judge by, and how much longer a busy machine may take."""
ROLLED_BACK = -1


class Seen(NamedTuple):
    """What a read returned, and the newest write of its row that had returned before it began."""

    row: str
    payload: bytes
    after: int


@dataclass
class Run:
    """
    One run: its plan and what happened.

    Attributes:
        versions: the numbers of each row's writes, by the bytes of the document.
        returned: each row's newest write that has returned, in memory shared with the other process.
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
        Record the document that a write left.

        Raises:
            ValueError: the row had this document before.
        """
        if self.versions[row].setdefault(payload, version) != version:
            raise ValueError(f"A write of {row!r} left the document as it was before: {payload!r:.200}")

    def judge(self, lookup: Lookup[Any]) -> None:
        """
        Raises:
            AssertionError: a read returned a stale or rolled-back document.
            ValueError: nothing was read, or nothing written.
        """
        if not self.reads or not self.writes:
            raise ValueError(f"There was too little time to write and read, even with {MORE_SECONDS} extra seconds.")
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
