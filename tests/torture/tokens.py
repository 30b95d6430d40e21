"""People's tokens, as readers get them while they run: writers append them to a file that grows."""

import random
from collections import deque
from pathlib import Path
from typing import NamedTuple

FRESH_TOKENS, NEWEST_TOKENS = 12, 4
OLD_SHARE, NEWEST_SHARE = 0.05, 0.7
"""How many reads are made with a token of long ago, mostly ended; and of the others with one of the newest."""
OLD_TOKENS = 1_000
REFUSED_NS = 300_000_000
"""How long readers go on with a token after the first refusal."""


class Token(NamedTuple):
    """
    A token of somebody's.

    Attributes:
        right: the number of the right that it is.
    """

    right: int
    text: str

    def hand_over(self, file: Path) -> None:
        """Have the readers of that file read with it from now on."""
        with file.open("ab", buffering=0) as opened:
            opened.write(f"{self.right} {self.text}\n".encode())


def read_tokens(file: Path) -> list[Token]:
    """All that were handed over."""
    return [_token_of(line) for line in file.read_bytes().splitlines()]


class Tokens:
    """The tokens a reader process knows, and which of them it reads with."""

    def __init__(self, file: Path, rng: random.Random) -> None:
        self.random = rng
        self.fresh: list[Token] = []
        self.old: deque[Token] = deque(maxlen=OLD_TOKENS)
        self._refused_since: dict[int, int] = {}
        self._read_bytes = 0
        self._file = file
        file.touch()

    def look(self) -> None:
        """Take those that were handed over since the last look."""
        with self._file.open("rb") as opened:
            opened.seek(self._read_bytes)
            whole, end, _ = opened.read().rpartition(b"\n")
        self._read_bytes += len(whole + end)
        self.fresh += map(_token_of, whole.splitlines())
        for token in self.fresh[:-FRESH_TOKENS]:
            self._put_aside(token)

    def choose(self) -> Token | None:
        """The token of the next read; None if there are none yet."""
        if self.old and (not self.fresh or self.random.random() < OLD_SHARE):
            return self.random.choice(self.old)
        if not self.fresh:
            return None
        newest = self.random.random() < NEWEST_SHARE
        return self.random.choice(self.fresh[-NEWEST_TOKENS:] if newest else self.fresh)

    def note_refusal(self, token: Token, now: int) -> None:
        if now - self._refused_since.setdefault(token.right, now) > REFUSED_NS and token in self.fresh:
            self._put_aside(token)

    def _put_aside(self, token: Token) -> None:
        self.fresh.remove(token)
        self.old.append(token)


def _token_of(line: bytes) -> Token:
    right, text = line.decode().split()
    return Token(int(right), text)
