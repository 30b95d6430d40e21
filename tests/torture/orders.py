"""What the processes of readers and writers are told, when they are ready, on their standard input."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.torture.plan import Plan


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
    psql: str
    until_ns: int
    directory: Path

    @property
    def tokens(self) -> Path:
        """The file by which readers get people's tokens."""
        return self.directory / "tokens"

    @property
    def reads(self) -> Path:
        """What readers noted: a `ReadLog` and a `UseLog`."""
        return self.directory / "reads"

    def log_of(self, slot: int) -> Path:
        """Where the writer in `slot` notes its writes, in all its lives."""
        return self.directory / f"writer-{slot}.log"

    def give(self, process: subprocess.Popen[bytes]) -> None:
        with process.stdin:
            pickle.dump(self, process.stdin)

    @classmethod
    def take(cls) -> Orders:
        orders: Orders = pickle.load(sys.stdin.buffer)
        return orders
