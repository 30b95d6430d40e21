"""Uses of rights that end: of a token, or of a permission. Each is a request that was accepted or refused for it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Use(NamedTuple):
    """
    One answer that said whether whoever asked had a right.

    Attributes:
        right: its number, which no other right has.
    """

    right: int
    started: int
    ended: int
    server: int
    accepted: bool

    def line(self) -> str:
        """How a writer notes it, among its writes."""
        return f"use {self.right} {self.started} {self.ended} {self.server} {self.accepted:d}\n"


@dataclass
class UseLog:
    """Many uses, 26 bytes each."""

    right: array[int] = field(default_factory=lambda: array("Q"))
    started: array[int] = field(default_factory=lambda: array("Q"))
    ended: array[int] = field(default_factory=lambda: array("Q"))
    server: array[int] = field(default_factory=lambda: array("B"))
    accepted: array[int] = field(default_factory=lambda: array("B"))

    def add(self, use: Use) -> None:
        self.right.append(use.right)
        self.started.append(use.started)
        self.ended.append(use.ended)
        self.server.append(use.server)
        self.accepted.append(use.accepted)

    def __len__(self) -> int:
        return len(self.right)

    def __getitem__(self, index: int) -> Use:
        accepted = bool(self.accepted[index])
        return Use(self.right[index], self.started[index], self.ended[index], self.server[index], accepted)


def read_uses(file: Path) -> Iterator[Use]:
    """The uses in a `WriteLog`'s file."""
    for line in file.read_text().splitlines():
        match line.split():
            case ["use", right, started, ended, server, accepted]:
                yield Use(int(right), int(started), int(ended), int(server), accepted == "1")
