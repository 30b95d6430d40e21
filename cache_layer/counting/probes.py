"""
Probes: ask every process, over Redis, what its memory has of an entry; they reply within seconds.

The prober leaves a probe in Redis; every process looks for one every two seconds, in its reporting thread, and
leaves its reply. This reads, fills and renews no entry. Processes give a sign of life now and then, so that one that
does not answer can be distinguished from one that is gone.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from cache_layer.activity import recent_events, recent_reads
from cache_layer.keys import analytics_key
from cache_layer.memory.local_store import look_at_copy
from cache_layer.server.connection import get_redis_client

ASKED_SECONDS = 10
KNOWN_SECONDS = 60
"""How long after its last sign of life a process is expected to reply."""


class MemoryView(NamedTuple):
    """
    What one process's memory has of an entry.

    Attributes:
        process: the process's name.
        copy: its copy; None if it has none.
        reads: its reads of this entry by source: how many since it started, and when the last one was.
        events: what it did to the entry, newest first: when, what and why.
    """

    process: str
    copy: CopySeen | None
    reads: dict[str, tuple[int, int]]
    events: list[tuple[int, str, str]]


class CopySeen(NamedTuple):
    """
    A copy in a process's memory.

    Attributes:
        digest: the `digest_of` its bytes.
        payload_bytes: its length.
        left_ms: how long it may still be used without asking Redis; 0 if its lease has ended.
    """

    digest: str
    payload_bytes: int
    left_ms: int


def process_name() -> str:
    """`web-1, process 4711`."""
    return f"{os.uname().nodename}, process {os.getpid()}"


def digest_of(payload: bytes) -> str:
    """The short name of these bytes that processes reply with; empty for none."""
    return hashlib.sha256(payload).hexdigest()[:12] if payload else ""


def look_into_memory(key: str) -> MemoryView:
    """What this process's memory has of an entry; changes nothing."""
    found = look_at_copy(key)
    copy = None if found is None else CopySeen(digest_of(found[0]), len(found[0]), found[1])
    return MemoryView(process_name(), copy, recent_reads(key), recent_events(key))


class Respondent:
    """Replies to probes in one process; remembers the last one."""

    def __init__(self) -> None:
        self._last = ""
        self._signed_s = 0.0

    def reply(self) -> None:
        """Reply to the current probe if it is new; give a sign of life now and then."""
        with suppress(RedisError):
            self._sign()
            asked: Any = get_redis_client().get(analytics_key("asked"))
            mark, _, key = (asked or b"").decode(errors="replace").partition(" ")
            if not key or mark == self._last or not mark.isalnum():
                return
            self._last = mark
            pipeline = get_redis_client().pipeline()
            answers = analytics_key(f"answers:{mark}")
            pipeline.hset(answers, process_name(), json.dumps(look_into_memory(key)[1:]))
            pipeline.expire(answers, ASKED_SECONDS * 6)
            pipeline.execute()

    def _sign(self) -> None:
        now_s = time.time()
        if abs(now_s - self._signed_s) >= KNOWN_SECONDS / 3:
            pipeline = get_redis_client().pipeline()
            pipeline.zadd(analytics_key("processes"), {process_name(): now_s})
            pipeline.zremrangebyscore(analytics_key("processes"), "-inf", now_s - KNOWN_SECONDS)
            pipeline.expire(analytics_key("processes"), KNOWN_SECONDS)
            pipeline.execute()
            self._signed_s = now_s
