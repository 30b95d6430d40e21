"""One entry as each place has it: PostgreSQL, Redis and the memories of all processes."""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from redis.exceptions import RedisError

from cache_layer.counting.probes import (
    ASKED_SECONDS,
    KNOWN_SECONDS,
    CopySeen,
    MemoryView,
    digest_of,
    look_into_memory,
)
from cache_layer.keys import analytics_key, value_key
from cache_layer.lookup import Entry, Lookup, load, outbox_alias
from cache_layer.protocol.packing import unpack
from cache_layer.server.connection import get_redis_client, get_writer_client
from cache_layer.upkeep.audit import GRACE_SECONDS, agrees_across_releases
from cache_layer.writing.outbox import find_changes

Looked = TypeVar("Looked")

MAX_REPLY_BYTES = 20_000
"""The maximum length of a process's reply; longer ones are foreign."""


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
        mark = uuid4().hex
        get_redis_client().set(analytics_key("asked"), f"{mark} {self.entry.key}", ex=ASKED_SECONDS)
        return mark

    @staticmethod
    def read_memories(mark: str) -> tuple[list[MemoryView], list[str]]:
        """
        The replies so far, and the names of the processes that have yet to reply.

        Raises:
            CacheUnavailable: Redis did not answer.
        """
        pipeline = get_redis_client().pipeline()
        pipeline.hgetall(analytics_key(f"answers:{mark}"))
        pipeline.zrangebyscore(analytics_key("processes"), time.time() - KNOWN_SECONDS, "+inf")
        found, known = pipeline.execute()
        answers = [answer for name, text in found.items() if (answer := _parse(name, text))]
        answered = {answer.process for answer in answers}
        silent = {name.decode(errors="replace") for name in known} - answered
        return sorted(answers), sorted(silent)

    def agrees(self, payload: bytes, committed: bytes) -> bool:
        """Whether another release wrote `payload`, with the committed values in all members that both releases have."""
        return agrees_across_releases(self.entry, payload, committed)

    digest = staticmethod(digest_of)

    @staticmethod
    def look_twice(look: Callable[[], Looked], is_odd: Callable[[Looked], bool]) -> Looked:
        """The result of `look`, repeated a moment later if it is odd, since a change under way is not a fault."""
        found = look()
        if is_odd(found):
            time.sleep(GRACE_SECONDS)
            found = look()
        return found


def _parse(name: bytes, text: bytes) -> MemoryView | None:
    """Parse a reply left by a process; None for foreign data."""
    try:
        copy, reads, events = json.loads(text[:MAX_REPLY_BYTES])
        return MemoryView(
            name.decode(),
            CopySeen(str(copy[0]), int(copy[1]), int(copy[2])) if copy else None,
            {str(source): (int(count), int(last_s)) for source, (count, last_s) in reads.items()},
            [(int(when), str(what), str(why)) for when, what, why in events],
        )
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
