"""
Renewal keeps copies in use valid. While there are hits, background threads ask Redis for all such copies at once: a
request that did so would wait, and lose its turn to run to other threads. One thread is enough, unless Redis is so far
away that the next request must be sent before the last reply has arrived.

It asks for the stamps first: a few small entries that vouch for all copies resting on them. Copies that rest on no
stamp, or have rested long enough, are asked for themselves, all by one `MGET`: a copy's lease restarts if Redis still
has the same bytes. That is equivalent to reading each of them again.
"""

import functools
import logging
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, suppress
from typing import Any

from redis.exceptions import RedisError, ResponseError

from cache_layer import clock
from cache_layer.activity import fold_many_reads
from cache_layer.keys import value_key
from cache_layer.memory.local_store import Copy, Stamp, lease_ns, note_stamps, stamps_used_since
from cache_layer.options import get_options
from cache_layer.protocol.packing import unpacks_to
from cache_layer.protocol.scripts import read_stamps
from cache_layer.reading.refresh import is_time_to_ask
from cache_layer.server.connection import get_redis_client
from cache_layer.server.line import Line, Values, mget

logger = logging.getLogger("cache_layer")

Mget = Callable[[frozenset[str]], Values]
BATCH_COPIES = 1_000
RENEWED_PART = 0.6
"""The next reply should arrive after this share of the lease that a reply leaves."""
MIN_PART = 0.1
"""The minimum time between two requests, as a share of a lease."""
THREADS = 4
"""The maximum number of threads."""
STAMP_SECONDS = 3_600
LATELY_NS = 100_000_000
"""How long after its last use a stamp is still renewed."""
IN_USE_NS = 10_000_000_000
"""How long after its last use a copy that rests is still renewed before its rest ends."""


class Renewer:
    """Renews the copies that were used since the last renewal. Whoever uses one while `threads` is 0 calls `want`."""

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Start empty, also in a forked child, whose parent may have been renewing."""
        self._renewing, self._taking = threading.Lock(), threading.Lock()
        self.threads = self._next_ns = 0
        self._used: set[Copy] = set()
        self._watched: dict[int, deque[tuple[int, Copy]]] = {}

    def use(self, copies: Iterable[Copy], now_ns: int) -> bool:
        """Whether all of these may be used now; marks those that may as used, so that they are renewed."""
        for copy in copies:
            stamp = copy.stamp
            if stamp is not None and now_ns < stamp.until_ns and now_ns < copy.rests_until_ns:
                stamp.used_ns = copy.used_ns = now_ns
                if not copy.is_watched:
                    self._watch(copy)
            elif now_ns < copy.until_ns:
                self._used.add(copy)
            else:
                return False
        return True

    def want(self) -> None:
        """Start one more thread that renews copies until none is in use."""
        with self._taking:
            if self.threads >= THREADS:
                return
            self.threads += 1
        try:
            threading.Thread(target=self._run, name="renewal", daemon=True).start()
        except RuntimeError:  # too many threads, or the process is ending: let leases end
            self._end_thread()

    def renew_used(self, mget: Mget = mget) -> bool:
        """Renew what was used lately; returns whether anything was."""
        now_ns = clock.monotonic_ns()
        with self._taking:
            used, due = self._take_used(), list(self._take_due(now_ns))
        stamps = stamps_used_since(now_ns - LATELY_NS)
        self._ask([*used, *due], stamps, mget)
        for copy in due:
            if copy.due_ns > now_ns and not copy.is_watched:
                self._watch(copy)
        fold_many_reads()  # there is time before the next request
        return bool(used or stamps)

    def renew(self, copies: Collection[Copy]) -> set[Copy]:
        """
        Ask Redis whether it still has all of these; one of the waiting threads asks for all of them.

        Returns:
            Those that it no longer has. The others may be used for a request that began before this call, even if it
            took longer than a lease: Redis had them meanwhile.
        """
        begun_ns = clock.monotonic_ns()
        if self.use(copies, begun_ns):
            return set()
        self._used.update(copies)
        with self._renewing:
            if _unknown_since(begun_ns, copies):
                # Also ask for what others wait for: with a distant Redis, taking turns would take longer than a lease.
                self._ask({*self._take_used(), *copies}, stamps_used_since(clock.monotonic_ns() - LATELY_NS))
            return _unknown_since(begun_ns, copies)

    def _end_thread(self) -> None:
        with self._taking:
            self.threads -= 1

    def _run(self) -> None:
        """The body of a thread: renew in turn while anything is used."""
        took_ns = 0
        try:
            with closing(Line()) as line:
                while self._await_turn(took_ns):
                    begun_ns = clock.monotonic_ns()
                    if not self.renew_used(line.mget):
                        return
                    took_ns = clock.monotonic_ns() - begun_ns
        except Exception:
            logger.exception("Renewal failed")
        finally:
            self._end_thread()

    def _await_turn(self, took_ns: int) -> bool:
        """Wait until it is time for the next request; False if the other threads are enough."""
        lasts_ns = lease_ns()
        least_ns = int(lasts_ns * MIN_PART)
        step_ns = max(int((lasts_ns - took_ns) * RENEWED_PART), least_ns)
        with self._taking:
            now_ns = clock.monotonic_ns()
            left_ns = self._next_ns - now_ns
            if left_ns > step_ns and self.threads > 1:
                return False
            self._next_ns = now_ns + max(left_ns, 0) + step_ns
        if took_ns and left_ns < -least_ns:
            self.want()
        clock.sleep(max(left_ns, 0) / 1e9)
        return True

    def _take_used(self) -> list[Copy]:
        used, self._used = self._used, set()
        return list(used)

    def _watch(self, copy: Copy) -> None:
        """Queue a copy for renewal when due. Each queue has one rest time, so its copies are ordered by due time."""
        copy.is_watched = True
        self._watched.setdefault(copy.rest_ns, deque()).append((copy.due_ns, copy))

    def _take_due(self, now_ns: int) -> Iterator[Copy]:
        """The watched copies that are due and in use; those not in use are forgotten until their next use."""
        for watched in list(self._watched.values()):
            while watched and watched[0][0] <= now_ns:
                copy = watched.popleft()[1]
                copy.is_watched = False
                if copy.due_ns > now_ns:  # it was renewed meanwhile
                    self._watch(copy)
                elif now_ns - copy.used_ns < IN_USE_NS:
                    yield copy

    def _ask(self, copies: Collection[Copy], stamps: Collection[Stamp], mget: Mget = mget) -> None:
        try:
            now_ns = clock.monotonic_ns()
            ended = {copy.stamp_key for copy in copies if copy.stamp is None or now_ns >= copy.stamp.until_ns}
            with suppress(ResponseError):  # a full server creates no stamps but still has values
                _ask_for_stamps({*(stamp.key for stamp in stamps), *ended} - {""}, mget)
            now_ns = clock.monotonic_ns()
            _ask_for_values([copy for copy in copies if copy.is_due(now_ns) and not is_time_to_ask(copy.key)])
        except RedisError:
            return  # the leases end


def _unknown_since(moment_ns: int, copies: Iterable[Copy]) -> set[Copy]:
    """Those that may not be used, and that Redis was not found to have since then."""
    now_ns = clock.monotonic_ns()
    return {copy for copy in copies if not copy.is_usable(now_ns) and not copy.is_known_since(moment_ns)}


def _ask_for_stamps(keys: Collection[str], mget: Mget) -> None:
    """Ask for stamps by `MGET`, which costs Redis a fraction of a script; use the script only for missing ones."""
    if not keys:
        return
    names, keys_of = _names(frozenset(keys), get_options().schema_version)
    asked_ns = clock.monotonic_ns()
    found = {keys_of[name]: nonce for name, nonce in mget(names)}
    note_stamps(found, asked_ns=asked_ns)
    if missing := [key for key, nonce in found.items() if not nonce]:
        asked_ns = clock.monotonic_ns()
        note_stamps(read_stamps(missing, secrets.token_hex(16), STAMP_SECONDS), asked_ns=asked_ns)


@functools.lru_cache(maxsize=8)
def _names(keys: frozenset[str], version: int) -> tuple[frozenset[str], dict[str, str]]:
    """Their keys in Redis, and whose each is: the same stamps are asked for every few milliseconds."""
    keys_of = {value_key(key, version): key for key in keys}
    return frozenset(keys_of), keys_of


def _ask_for_values(copies: list[Copy]) -> None:
    for start in range(0, len(copies), BATCH_COPIES):
        client: Any = get_redis_client()
        batch = copies[start : start + BATCH_COPIES]
        asked_ns = clock.monotonic_ns()
        payloads = client.mget([value_key(copy.key) for copy in batch])
        for copy, stored in zip(batch, payloads, strict=True):
            if unpacks_to(stored, copy.read_payload):
                copy.prolong(asked_ns)
