"""A dictionary bounded in bytes that evicts what has not been used lately."""

import os
import threading
from collections.abc import Hashable
from typing import Any, Protocol


class Item(Protocol):
    """A stored item: whether it was used since the last look, and about how large it is, with its key."""

    used: bool
    size_bytes: int


class BoundedStore:
    """
    A dictionary of items that take at most `limit_bytes`.

    Eviction is second chance: going through items in order of arrival, those used since the last look stay for another
    round, and the others go. So a flood of items that nobody uses twice displaces only itself. Using an item takes no
    lock.
    Source: the clock algorithm, Corbato, "A Paging Experiment with the Multics System", 1969.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Start empty, also in a forked child, whose parent may have held the lock."""
        self._lock = threading.Lock()
        self._items: dict[Hashable, Any] = {}
        self.find = self._items.get
        self.size_bytes = 0

    def keep(self, key: Hashable, item: Item) -> None:
        """Keep an item, replacing any other with its key, unless it is larger than the limit."""
        with self._lock:
            self._drop(key)
            if item.size_bytes > self.limit_bytes:
                return
            while self.size_bytes + item.size_bytes > self.limit_bytes:
                oldest = next(iter(self._items))
                if self._items[oldest].used:
                    self._items[oldest].used = False
                    self._items[oldest] = self._items.pop(oldest)
                else:
                    self._drop(oldest)
            self._items[key] = item
            self.size_bytes += item.size_bytes

    def drop(self, key: Hashable, item: Item) -> None:
        """Forget an item, unless another has taken its key."""
        with self._lock:
            if self._items.get(key) is item:
                self._drop(key)

    def _drop(self, key: Hashable) -> None:
        item = self._items.pop(key, None)
        if item is not None:
            self.size_bytes -= item.size_bytes

    def __len__(self) -> int:
        return len(self._items)
