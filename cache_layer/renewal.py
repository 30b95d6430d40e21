"""
Renewal: hot copies stay in memory. Before their leases end one thread asks Redis for all of them at once.

It is the same as reading each of them again: a copy's lease begins anew where Redis still has the same bytes.
"""

from __future__ import annotations

import os
import threading
from time import monotonic_ns
from typing import Any

from redis.exceptions import RedisError

from cache_layer.activity import fold_many_reads
from cache_layer.connection import get_redis_client
from cache_layer.keys import value_key
from cache_layer.local_store import Copy
from cache_layer.options import get_options
from cache_layer.packing import is_packed
from cache_layer.refresh import is_time_to_ask

BATCH_COPIES = 1_000
LEASE_PARTS = 2
"""How often copies in use are renewed while one lease lasts."""


class Renewer:
    """Knows which copies were used since the last renewal."""

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Start anew, also in a forked child whose parent may have been renewing."""
        self._renewing = threading.Lock()
        self._due_ns = 0
        self._used: set[Copy] = set()

    def note_use(self, copies: tuple[Copy, ...], now_ns: int) -> None:
        """These copies were just used; if it is time to, renew all that were used since the last time."""
        self._used.update(copies)
        if now_ns >= self._due_ns and self._renewing.acquire(blocking=False):
            try:
                fold_many_reads()
                self._due_ns = now_ns + get_options().local_lease_ms * 1_000_000 // LEASE_PARTS
                self._renew()
            finally:
                self._renewing.release()

    def _renew(self) -> None:
        used, self._used = self._used, set()
        copies = [copy for copy in used if not is_time_to_ask(copy.key)]  # a read does that
        client: Any = get_redis_client()
        for start in range(0, len(copies), BATCH_COPIES):
            batch = copies[start : start + BATCH_COPIES]
            asked_ns = monotonic_ns()
            try:
                payloads = client.mget([value_key(copy.key) for copy in batch])
            except RedisError:
                return  # the leases end
            for copy, stored in zip(batch, payloads, strict=True):
                if is_packed(stored, copy.payload):
                    copy.prolong(asked_ns)
