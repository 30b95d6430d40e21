"""Caches a value that is costly to make and may be a moment old."""

import os
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Memo(Generic[Value]):
    """Returns the last value for `seconds`; of many threads that want it at once, only one makes the next."""

    def __init__(self, make: Callable[[], Value], *, seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Start empty, also in a forked child, whose parent may have been making one."""
        self._lock = threading.Lock()
        self._last: tuple[float, Value] | None = None

    def get(self) -> Value:
        with self._lock:
            if self._last is None or time.monotonic() >= self._last[0]:
                value = self._make()
                self._last = (time.monotonic() + self._seconds, value)
            return self._last[1]
