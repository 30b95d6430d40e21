"""What is kept within a number of bytes; what was not used for longest makes room."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable
from typing import Any, Protocol


class Item(Protocol):
    """
    Something that is kept.

    Attributes:
        used: set by whoever uses it.
        size_bytes: about what it takes, its key included.
    """

    used: bool
    size_bytes: int


class Kept:
    """
    A bounded dictionary.

    Room is made by second chance: in the order in which they came, what was used since the last look stays and is
    looked at again later, and what was not goes. So a flood of what nobody asks for twice displaces only itself. To use
    an item takes no lock.
    Source: the clock algorithm, Corbato, "A Paging Experiment with the Multics System", 1969.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Start empty, also in a forked child whose parent may have been holding the lock."""
        self._lock = threading.Lock()
        self._items: dict[Hashable, Any] = {}
        self.find = self._items.get
        self.size_bytes = 0

    def keep(self, key: Hashable, item: Item) -> None:
        """Keep an item, in place of what has its key, unless it takes more room than there is for all."""
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
        """Forget an item, unless another has its key by now."""
        with self._lock:
            if self._items.get(key) is item:
                self._drop(key)

    def _drop(self, key: Hashable) -> None:
        item = self._items.pop(key, None)
        if item is not None:
            self.size_bytes -= item.size_bytes

    def __len__(self) -> int:
        return len(self._items)
