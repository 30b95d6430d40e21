"""One entry as each place has it: PostgreSQL, Redis and the memories of all processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from redis.exceptions import RedisError

from cache_layer.counting.probes import MemoryView, digest_of, look_into_memory, probe, read_memories
from cache_layer.keys import value_key
from cache_layer.lookup import Entry, Lookup, load, outbox_alias
from cache_layer.protocol.packing import unpack
from cache_layer.server.connection import get_redis_client, get_writer_client
from cache_layer.upkeep.audit import GRACE_SECONDS, agrees_across_releases
from cache_layer.writing.outbox import find_changes

Looked = TypeVar("Looked")


class Stored(NamedTuple):
    """
    A value in Redis.

    Attributes:
        stored: its bytes in Redis.
        payload: the document's bytes; None if the stored ones can't be unpacked.
        problem: why they can't be unpacked.
        ttl_ms: its remaining TTL.
    """

    stored: bytes
    payload: bytes | None
    problem: str
    ttl_ms: int


class EntryView:
    """
    Shows an entry without reading through, filling, renewing or counting it.

    Attributes:
        redis_key: the value's key in Redis, as for `redis-cli`.
    """

    def __init__(self, lookup: Lookup[Any], identifier: str) -> None:
        self.entry = Entry(lookup, identifier)
        self.redis_key = value_key(self.entry.key)

    def committed(self) -> bytes:
        """The document's bytes from the primary database; empty if there is no document."""
        return load(self.entry.lookup, [self.entry.identifier])[self.entry.identifier].payload

    def stored(self, *, patient: bool = False) -> Stored | None:
        """
        The value in Redis; None if there is none.

        Args:
            patient: ask Redis even if it has just been silent.
        Raises:
            CacheUnavailable: Redis did not answer.
            redis.exceptions.ResponseError: the key has another type.
        """
        pipeline = (get_writer_client() if patient else get_redis_client()).pipeline(transaction=patient)
        pipeline.get(self.redis_key)
        pipeline.pttl(self.redis_key)
        stored, ttl_ms = pipeline.execute(raise_on_error=False)
        if isinstance(stored, RedisError):
            raise stored
        if not stored:
            return None
        try:
            return Stored(stored, unpack(stored), "", ttl_ms)
        except ValueError as error:
            return Stored(stored, None, str(error), ttl_ms)

    def count_pending(self) -> int:
        """How many committed changes to this entry have not reached Redis yet."""
        identifier = self.entry.identifier
        return len(find_changes(self.entry.lookup, [identifier], using=outbox_alias()).get(identifier, ()))

    def in_memory(self) -> MemoryView:
        """What this process's memory has of it."""
        return look_into_memory(self.entry.key)

    def ask_processes(self) -> str:
        """
        Ask every process what its memory has of it; returns the probe's mark.

        Raises:
            CacheUnavailable: Redis did not answer.
        """
        return probe(self.entry.key)

    @staticmethod
    def read_memories(mark: str) -> tuple[list[MemoryView], list[str]]:
        """
        The replies so far, and the names of the processes that have yet to reply.

        Raises:
            CacheUnavailable: Redis did not answer.
        """
        return read_memories(mark)

    def agrees(self, payload: bytes, committed: bytes) -> bool:
        """Whether another release wrote `payload`, with the committed values in all members that both releases have."""
        return agrees_across_releases(self.entry, payload, committed)

    @staticmethod
    def digest(payload: bytes) -> str:
        """The short name of these bytes that processes reply with; empty for none."""
        return digest_of(payload) if payload else ""

    @staticmethod
    def look_twice(look: Callable[[], Looked], is_odd: Callable[[Looked], bool]) -> Looked:
        """The result of `look`, repeated a moment later if it is odd, since a change under way is not a fault."""
        found = look()
        if is_odd(found):
            time.sleep(GRACE_SECONDS)
            found = look()
        return found
