"""Limits how many unknown identifiers are remembered as absent, so that random ones cannot fill Redis."""

import threading
from collections import deque
from time import monotonic

from cache_layer.options import get_options


class AbsentBudget:
    """Allows `absent_entries` markers per `absent_ttl_seconds`, after which a marker expires."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._marked: deque[float] = deque()

    def allows(self) -> bool:
        """Whether one more marker may be made; if so, counts it."""
        options = get_options()
        now = monotonic()
        with self._lock:
            while self._marked and self._marked[0] <= now - options.absent_ttl_seconds:
                self._marked.popleft()
            if len(self._marked) >= options.absent_entries:
                return False
            self._marked.append(now)
            return True


budget = AbsentBudget()
