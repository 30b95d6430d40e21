"""Every state of a scope, searched for a read that breaks the promise."""

import gc
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from sys import intern

from tests.model.names import canonical
from tests.model.protocol import Protocol
from tests.model.scope import Piece, Scope

SEEN_LIMIT = 1_000_000  # beyond it memory costs more than the time it saves


@dataclass(frozen=True)
class Found:
    """What a search found: how many states it visited and, if the promise can be broken, the shortest way to do so."""

    states: int
    history: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(f"{number:2}. {step}" for number, step in enumerate(self.history, 1))


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """States are tuples without cycles; to look for some among millions of them takes a quarter of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@no_garbage_collection()
def search(scope: Scope, missing: Piece | None = None) -> Found:
    """Visit every state that `scope` permits, nearest first, until one is broken or none is left."""
    protocol = Protocol(scope, missing)
    seen = {protocol.start}  # under any names: most steps lead to one of them, which costs less to know than its order
    visited = {canonical(protocol.start)}
    came_by: list[tuple[int, str]] = [(0, "")]
    queue = deque([(0, protocol.start)])
    while queue:
        number, state = queue.popleft()
        for text, after in protocol.steps(state):
            if after in seen:
                continue
            if len(seen) > SEEN_LIMIT:
                seen.clear()
            seen.add(after)
            reached = canonical(after)
            if reached in visited:
                continue
            visited.add(reached)
            came_by.append((number, intern(text)))
            if after.broken:
                return Found(len(visited), history_of(len(visited) - 1, came_by))
            queue.append((len(visited) - 1, after))
    return Found(len(visited))


def history_of(number: int, came_by: list[tuple[int, str]]) -> tuple[str, ...]:
    steps = []
    while number:
        number, text = came_by[number]
        steps.append(text)
    return tuple(reversed(steps))
