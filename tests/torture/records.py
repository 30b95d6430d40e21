"""
What readers, writers and the fault injector note while a run lasts: monotonic nanoseconds of one machine.

A read's start is taken before its request is sent, an end after the answer was received, so an order of two events
that the notes show is one that was.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns
from typing import NamedTuple

from tests.torture.uses import Use

SOURCES = ("?", "L1", "L2", "DB", "BYPASS", "STALE")
ACKNOWLEDGED = "acknowledged"
KILLED = "killed"
VERSIONS_PER_LIFE = 100_000
LIVES_PER_SLOT = 1_000
MAX_NOTE_BYTES = 400


def label_of(version: int) -> str:
    """The label that carries a version; no two writes have the same."""
    return f"v{version:09d}"


def first_version(slot: int, life: int) -> int:
    """The number before the versions of one writer process."""
    return (slot * LIVES_PER_SLOT + life) * VERSIONS_PER_LIFE


@dataclass
class ReadLog:
    """Every answered read, 23 bytes each, and every one that failed."""

    started: array[int] = field(default_factory=lambda: array("Q"))
    ended: array[int] = field(default_factory=lambda: array("Q"))
    version: array[int] = field(default_factory=lambda: array("I"))
    key: array[int] = field(default_factory=lambda: array("B"))
    source: array[int] = field(default_factory=lambda: array("B"))
    server: array[int] = field(default_factory=lambda: array("B"))
    failures: list[Failure] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    FAILURES_KEPT = 20_000

    def add(self, key: int, started: int, ended: int, *, version: int, source: int, server: int) -> None:
        self.started.append(started)
        self.ended.append(ended)
        self.version.append(version)
        self.key.append(key)
        self.source.append(source)
        self.server.append(server)

    def fail(self, server: int, reason: str) -> None:
        self.reasons[reason] += 1
        if len(self.failures) < self.FAILURES_KEPT:
            self.failures.append(Failure(monotonic_ns(), server, reason))

    def __len__(self) -> int:
        return len(self.started)


class Failure(NamedTuple):
    """A read that got no answer, or another than 200."""

    at: int
    server: int
    reason: str


class Write(NamedTuple):
    """
    One key of one write.

    Attributes:
        ended: None where the writer was killed.
        outcome: `ACKNOWLEDGED`, `KILLED`, or what happened instead.
        server: which server was asked; -1 for a writer that needs none.
    """

    key: int
    version: int
    kind: str
    server: int
    started: int
    ended: int | None
    outcome: str

    @property
    def behind_django(self) -> bool:
        return self.kind.startswith("raw")

    @property
    def acknowledged(self) -> bool:
        return self.outcome == ACKNOWLEDGED


class WriteLog:
    """One writer's notes, in a file from the moment they are made: they outlive its SIGKILL."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def begin(self, keys: Iterable[int], version: int, kind: str, server: int = -1) -> None:
        now = monotonic_ns()
        self._note("".join(f"begin {now} {version} {key} {kind} {server}\n" for key in keys))

    def end(self, version: int, outcome: str) -> None:
        self._note(f"end {monotonic_ns()} {version} {outcome.replace(' ', '_')}\n")

    def use(self, use: Use) -> None:
        self._note(use.line())

    def _note(self, lines: str) -> None:
        os.write(self._file, lines.encode())


def read_writes(file: Path) -> Iterator[Write]:
    """The writes in a `WriteLog`'s file."""
    begun: list[tuple[int, int, int, str, int]] = []
    ends: dict[int, tuple[int, str]] = {}
    for line in file.read_text().splitlines():
        match line.split():
            case ["begin", at, version, key, kind, server]:
                begun.append((int(at), int(version), int(key), kind, int(server)))
            case ["end", at, version, outcome]:
                ends[int(version)] = int(at), outcome
    for noted in begun:
        started, number, changed, way, asked = noted
        ended, result = ends.get(number, (None, KILLED))
        yield Write(changed, number, way, asked, started, ended, result)


def find_unfinished(file: Path) -> int | None:
    """The server that the writer is waiting for right now, -1 for none; None if it is not writing."""
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, os.fstat(opened.fileno()).st_size - MAX_NOTE_BYTES))
            last = opened.read().decode().rsplit("\n", 2)[-2].split()
    except (FileNotFoundError, IndexError):
        return None
    return int(last[5]) if last[0] == "begin" else None


class Window(NamedTuple):
    """
    A fault, from before it began until it was over.

    Attributes:
        target: which server it hit; -1 where that says nothing.
    """

    fault: str
    begun: int
    ended: int
    target: int = -1
    note: str = ""

    def touches(self, begun: int, ended: int) -> bool:
        return self.begun <= ended and begun <= self.ended
