"""
What readers, writers and the fault injector note while a run lasts: monotonic nanoseconds of one machine.

A read's start is taken before its request is sent, an end after the answer was received, so an order of two events
that the notes show is one that was.
"""

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns
from typing import Generic, NamedTuple, TypeVar

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


class Read(NamedTuple):
    """One answered read."""

    key: int
    started: int
    ended: int
    version: int
    source: int
    server: int


class Use(NamedTuple):
    """
    One answer that said whether whoever asked had a right that ends: a token, or a permission.

    Attributes:
        right: its number, which no other right has.
    """

    right: int
    started: int
    ended: int
    server: int
    accepted: bool


Row = TypeVar("Row", Read, Use)


class Rows(Generic[Row]):
    """Millions of them: each takes as many bytes as `struct` makes of it."""

    def __init__(self, kind: type[Row], layout: str) -> None:
        self._kind, self._layout, self._packed = kind, layout, bytearray()

    def append(self, row: Row) -> None:
        self._packed += struct.pack(self._layout, *row)

    def __iter__(self) -> Iterator[Row]:
        return map(self._kind._make, struct.iter_unpack(self._layout, self._packed))


class Failure(NamedTuple):
    """A read that got no answer, or another than 200."""

    at: int
    server: int
    reason: str


@dataclass
class ReadLog:
    """What readers note."""

    reads: Rows[Read] = field(default_factory=lambda: Rows(Read, "<BQQIBB"))
    uses: Rows[Use] = field(default_factory=lambda: Rows(Use, "<QQQB?"))
    failures: list[Failure] = field(default_factory=list)
    forgotten: int = 0

    FAILURES_KEPT = 20_000

    def fail(self, server: int, reason: str) -> None:
        if len(self.failures) < self.FAILURES_KEPT:
            self.failures.append(Failure(monotonic_ns(), server, reason))
        else:
            self.forgotten += 1


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
        """What the writer itself was answered."""
        self._note(f"use {use.right} {use.started} {use.ended} {use.server} {use.accepted:d}\n")

    def _note(self, lines: str) -> None:
        os.write(self._file, lines.encode())


def read_writes(file: Path) -> list[Write]:
    """The writes in a `WriteLog`'s file."""
    writes: dict[int, list[Write]] = {}
    for line in file.read_text().splitlines():
        match line.split():
            case ["begin", at, version, key, kind, server]:
                begun = Write(int(key), int(version), kind, int(server), int(at), None, KILLED)
                writes.setdefault(begun.version, []).append(begun)
            case ["end", at, version, outcome]:
                of_it = writes[int(version)]
                of_it[:] = [write._replace(ended=int(at), outcome=outcome) for write in of_it]
    return [write for of_it in writes.values() for write in of_it]


def read_uses(file: Path) -> Iterator[Use]:
    """The uses in a `WriteLog`'s file."""
    for line in file.read_text().splitlines():
        match line.split():
            case ["use", right, started, ended, server, accepted]:
                yield Use(int(right), int(started), int(ended), int(server), accepted == "1")


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
