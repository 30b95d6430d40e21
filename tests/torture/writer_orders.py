"""What writer processes are told, and which kind each one is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic_ns


@dataclass
class Orders:
    """
    For all writers of a run.

    Attributes:
        tokens: the file by which readers get people's tokens.
        over: a file that ends the load before its time, once it is there.
        migrated: a file without which Django's models can't be used yet.
    """

    ports: list[int]
    codes: list[str]
    token: str
    database_url: str
    psql: str
    kinds: list[str]
    faults: list[str]
    hold_ms: int
    pause_ms: int
    until_ns: int
    seed: int
    logs: str
    tokens: str
    over: str
    migrated: str
    settings: str = field(default="pmo.settings")

    def json(self) -> str:
        return json.dumps(asdict(self))

    def are_over(self) -> bool:
        """Whether no more writes are to begin."""
        return monotonic_ns() >= self.until_ns or Path(self.over).exists()

    def log_of(self, slot: int) -> Path:
        """Where the writer in `slot` notes its writes, in all its lives."""
        return Path(self.logs) / f"writer-{slot}.log"


def kinds_of_writers(writers: int, faults: Sequence[str] | frozenset[str], people: int = 0) -> list[str]:
    """HTTP and ORM writers by turns; the last writes behind Django's back, if that is asked for; then people's."""
    kinds = ["http" if slot % 2 == 0 else "orm" for slot in range(writers)]
    if "raw" in faults:
        kinds[-1] = "raw"
    return kinds + ["people"] * people
