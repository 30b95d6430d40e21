"""
Questions between processes: what each one's memory has of one entry, answered within seconds over Redis.

Whoever asks leaves the question there; every process looks for one every two seconds, as it reports, and leaves its
answer. Nothing is read, filled or renewed for it. Processes give a sign of life now and then, so that one that does not
answer is told apart from one that is not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from redis.exceptions import RedisError

from cache_layer.activity import recent_events, recent_reads
from cache_layer.keys import analytics_key
from cache_layer.memory.local_store import look_at_copy
from cache_layer.server.connection import get_redis_client

if TYPE_CHECKING:  # models, which come after settings
    from cache_layer.lookup import Lookup

ASKED_SECONDS = 10
KNOWN_SECONDS = 60
"""How long after its last sign a process is still expected to answer."""
MAX_BYTES = 20_000
"""Nobody of ours is the author of a longer answer."""


class Answer(NamedTuple):
    """
    What one process's memory has of an entry.

    Attributes:
        process: its name.
        copy: None if it has none.
        reads: of this entry by where they came from: how many since it began, and when the last was.
        events: what it did to the entry: when, what and why, the newest first.
    """

    process: str
    copy: CopySeen | None
    reads: dict[str, tuple[int, int]]
    events: list[tuple[int, str, str]]


class CopySeen(NamedTuple):
    """
    A copy in a process's memory.

    Attributes:
        digest: of its bytes, as `digest_of` makes it.
        payload_bytes: how long it is.
        left_ms: for how long it may be used without asking Redis; 0 if it may not.
    """

    digest: str
    payload_bytes: int
    left_ms: int


def process_name() -> str:
    """`web-1, process 4711`."""
    return f"{os.uname().nodename}, process {os.getpid()}"


def digest_of(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()[:12]


def look_into_memory(lookup: Lookup[Any], identifier: str) -> Answer:
    """What this process's memory has of an entry; it stays as it is."""
    return _look_into_memory(lookup.key(identifier))


def _look_into_memory(key: str) -> Answer:
    found = look_at_copy(key)
    copy = None if found is None else CopySeen(digest_of(found[0]), len(found[0]), found[1])
    return Answer(process_name(), copy, recent_reads(key), recent_events(key))


def ask(lookup: Lookup[Any], identifier: str) -> str:
    """
    Ask every process about an entry; gives the question's mark.

    Raises:
        CacheUnavailable: Redis did not answer.
    """
    mark = uuid4().hex
    get_redis_client().set(analytics_key("asked"), f"{mark} {lookup.key(identifier)}", ex=ASKED_SECONDS)
    return mark


def read_answers(mark: str) -> tuple[list[Answer], list[str]]:
    """
    The answers so far, and the processes that were expected to answer and have not.

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


class Respondent:
    """Answers questions in one process; told each time it looks which was the last."""

    def __init__(self) -> None:
        self._last = ""
        self._signed_s = 0.0

    def answer(self) -> None:
        """Answer the question there is, if it is a new one; now and then give a sign of life."""
        try:
            self._sign()
            asked: Any = get_redis_client().get(analytics_key("asked"))
            mark, _, key = (asked or b"").decode(errors="replace").partition(" ")
            if not key or mark == self._last or not mark.isalnum():
                return
            self._last = mark
            pipeline = get_redis_client().pipeline()
            answers = analytics_key(f"answers:{mark}")
            pipeline.hset(answers, process_name(), json.dumps(_look_into_memory(key)[1:]))
            pipeline.expire(answers, ASKED_SECONDS * 6)
            pipeline.execute()
        except RedisError:
            return

    def _sign(self) -> None:
        now_s = time.time()
        if abs(now_s - self._signed_s) >= KNOWN_SECONDS / 3:
            pipeline = get_redis_client().pipeline()
            pipeline.zadd(analytics_key("processes"), {process_name(): now_s})
            pipeline.zremrangebyscore(analytics_key("processes"), "-inf", now_s - KNOWN_SECONDS)
            pipeline.expire(analytics_key("processes"), KNOWN_SECONDS)
            pipeline.execute()
            self._signed_s = now_s


def _parse(name: bytes, text: bytes) -> Answer | None:
    """An answer as a process leaves it; None for what others have put there."""
    try:
        copy, reads, events = json.loads(text[:MAX_BYTES])
        return Answer(
            name.decode(),
            CopySeen(str(copy[0]), int(copy[1]), int(copy[2])) if copy else None,
            {str(source): (int(count), int(last_s)) for source, (count, last_s) in reads.items()},
            [(int(when), str(what), str(why)) for when, what, why in events],
        )
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
