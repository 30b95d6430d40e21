"""The one clock of leases, holds and deadlines, and the pauses between attempts; tests put their own in its place."""

from time import monotonic_ns, sleep

__all__ = ["monotonic_ns", "seconds_from_now", "sleep"]


def seconds_from_now(seconds: float) -> int:
    """What `monotonic_ns()` will be in so many seconds."""
    return monotonic_ns() + int(seconds * 1e9)
