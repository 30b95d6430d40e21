"""What the processes of readers and writers are told, when they are ready, by a file."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from time import monotonic_ns

from tests.torture.plan import Plan
from tests.waiting import wait_for

TAKE_LIMIT_SECONDS = 600


@dataclass(frozen=True)
class Orders:
    """
    For all readers and writers of a run.

    Attributes:
        until_ns: when the last writes begin; readers go on a little longer.
        directory: for their notes.
    """

    plan: Plan
    ports: list[int]
    token: str
    database_url: str
    until_ns: int
    directory: Path

    @property
    def tokens(self) -> Path:
        """The file by which readers get people's tokens."""
        return self.directory / "tokens"

    @property
    def reads(self) -> Path:
        """What readers noted: a `ReadLog`."""
        return self.directory / "reads"

    @property
    def over(self) -> Path:
        """A file that ends the load before its time, once it is there."""
        return self.directory / "over"

    @property
    def migrated(self) -> Path:
        """A file without which Django's models can't be used yet."""
        return self.directory / "migrated"

    def are_over(self) -> bool:
        """Whether no more writes are to begin."""
        return monotonic_ns() >= self.until_ns or self.over.exists()

    def log_of(self, slot: int) -> Path:
        """Where the writer in `slot` notes its writes, in all its lives."""
        return self.directory / f"writer-{slot}.log"

    def give(self) -> None:
        """Let those take them who wait."""
        unfinished = self.directory / "unfinished orders"
        unfinished.write_bytes(pickle.dumps(self))
        unfinished.rename(self.directory / "orders")

    @classmethod
    def take(cls) -> Orders:
        """Those in the directory that this process works in, when they are there."""
        wait_for(Path("orders").exists, TAKE_LIMIT_SECONDS)
        orders: Orders = pickle.loads(Path("orders").read_bytes())
        return orders
