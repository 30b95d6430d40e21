"""Where this thread's work came from: the cause that counters and logs give for an invalidation."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_origin: ContextVar[str] = ContextVar("cache_layer_origin", default="command")
"""The default stands for a management command, a shell, a job."""


def current() -> str:
    """The origin of this thread's, or task's, current work."""
    return _origin.get()


@contextmanager
def working_for(origin: str) -> Iterator[None]:
    """Set the origin of all work in this block. It becomes a metric label, so use a small, fixed set of names."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)
