"""A circuit breaker for readers."""

import threading
import time
from collections.abc import Callable

from cache_layer.metrics import BREAKER_OPEN

RECONNECT_DELAY_STEP_SECONDS = 0.05
RECONNECT_DELAY_LIMIT_SECONDS = 2.0


class Breaker:
    """
    Keeps readers from waiting for a server that has just failed.

    After the n-th failure in a row nobody tries for min(n * 50 ms, 2 s). Then one caller tries, and the others go on
    without Redis until it succeeds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.failures = 0
        self._open_until = 0.0

    def allows(self) -> bool:
        """Whether to try now. Once the delay is over, one caller gets True and makes the trial."""
        if not self.failures:
            return True
        with self._lock:
            now = self._clock()
            if now < self._open_until:
                return False
            self._open_until = now + self._delay()
            return True

    def succeeded(self) -> None:
        if self.failures:
            with self._lock:
                self.failures = 0
            BREAKER_OPEN.set(0)

    def failed(self) -> None:
        with self._lock:
            self.failures += 1
            self._open_until = self._clock() + self._delay()
        BREAKER_OPEN.set(1)

    def _delay(self) -> float:
        return min(self.failures * RECONNECT_DELAY_STEP_SECONDS, RECONNECT_DELAY_LIMIT_SECONDS)


breaker = Breaker()
"""The breaker of a single server; each node of a cluster has its own."""
