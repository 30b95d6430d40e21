"""The one clock of leases, holds and deadlines, and the pauses between attempts; tests put their own in its place."""

from time import monotonic_ns, sleep

__all__ = ["monotonic_ns", "sleep"]
