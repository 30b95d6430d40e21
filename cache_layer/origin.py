"""From where the work of this thread was asked for: the cause that counters and logs give for an invalidation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

COMMAND = "command"
"""A management command, a shell, a job: whatever nobody named otherwise."""

_origin: ContextVar[str] = ContextVar("cache_layer_origin", default=COMMAND)


def current_origin() -> str:
    """The origin of what this thread, or task, is doing."""
    return _origin.get()


@contextmanager
def working_for(origin: str) -> Iterator[None]:
    """Name the origin of what is done in this block; a small, fixed set of names, since counters are kept by it."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)
