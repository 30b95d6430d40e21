"""
Reporting: each process sends Redis its counts every `analytics_seconds` and when it ends, and every two seconds while
somebody looks at the figures. All report at the same times by the clock, so that a step has the reports of all
processes or of none.

Reports have totals (the counters of `metrics`) and at most 10,000 entries: a few megabytes in all.
"""

import atexit
import logging
import os
import threading
import time
from collections import Counter
from itertools import chain
from multiprocessing.util import Finalize
from typing import Any
from uuid import uuid4

from redis.exceptions import RedisError

from cache_layer import metrics
from cache_layer.activity import MAX_ENTRIES, EntryCounts, collect_activity, fold_reads
from cache_layer.background import run_in_background
from cache_layer.counting.analytics import HOUR_SECONDS, MINUTE_SECONDS, MOMENT_SECONDS
from cache_layer.counting.probes import Respondent
from cache_layer.keys import DAY_SECONDS, analytics_key, hits_key, totals_key
from cache_layer.options import get_options
from cache_layer.protocol.calls import BATCH_KEYS, Call
from cache_layer.protocol.scripts import report_counts
from cache_layer.server.connection import get_redis_client

logger = logging.getLogger("cache_layer")

FOLD_SECONDS = MOMENT_SECONDS
"""How often reads are added up, so that every process can always show current totals."""
MOMENT_RETENTION_SECONDS = 120
MINUTE_RETENTION_SECONDS = 2 * HOUR_SECONDS
RETENTION_SECONDS = 7 * DAY_SECONDS + HOUR_SECONDS


class Reporter:
    """Reports this process's counts to Redis; a report that can't be sent is sent the next time."""

    def __init__(self) -> None:
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Start counting from now; a forked child leaves its parent's counts to the parent."""
        self._reporting = threading.Lock()
        self._unsent: list[Call] = []
        collect_activity()
        self._reported = read_totals()
        self._counted_until_s = time.time()

    def report(self) -> None:
        """
        Report everything counted since the last report.

        Raises:
            CacheUnavailable: Redis did not answer: the report is sent the next time.
        """
        with self._reporting:
            if not self._unsent:
                self._unsent = self._collect()
            while self._unsent:
                report_counts(*self._unsent[0])
                del self._unsent[0]

    def _collect(self) -> list[Call]:
        entries = list(collect_activity().items())
        totals = read_totals()
        now_s = time.time()
        took_s, self._counted_until_s = max(0.0, now_s - self._counted_until_s), now_s
        new = {**(totals - self._reported), "reports": 1}
        self._reported = totals
        batches = [entries[start : start + BATCH_KEYS] for start in range(0, len(entries), BATCH_KEYS)] or [[]]
        return [_make_report(now_s, took_s, new if number == 0 else {}, batch) for number, batch in enumerate(batches)]


def read_totals() -> Counter[str]:
    """This process's counters and histograms by name, named as in `Series.counts`."""
    fold_reads()
    totals: Counter[str] = Counter()
    for metric in vars(metrics).values():
        if isinstance(metric, metrics.TOTALS):
            for sample in chain.from_iterable(family.samples for family in metric.collect()):
                name, _, kind = sample.name.removeprefix("cache_").rpartition("_")
                if kind in ("total", "bucket"):
                    totals[":".join([name, *sample.labels.values()])] = int(sample.value)
    return totals


_reporter = Reporter()
report_activity = _reporter.report


def start_reporting() -> None:
    """Add up reads, and report, in a thread of this process and of each process forked from it."""
    run_in_background("cache-analytics", _report_forever)


def report_at_exit() -> None:
    """Report this process's counts when it ends."""
    if get_options().analytics_seconds:
        atexit.register(_report_quietly)
        Finalize(None, _report_quietly, exitpriority=0)  # processes started by multiprocessing skip `atexit`


def _report_forever() -> None:
    every_s = get_options().analytics_seconds
    while not every_s:
        time.sleep(FOLD_SECONDS)
        fold_reads()
    respondent = Respondent()
    due_s = _next_multiple(every_s, time.time())
    while True:
        now_s = time.time()
        time.sleep(max(0.0, min(_next_multiple(FOLD_SECONDS, now_s), due_s, now_s + every_s) - now_s))
        fold_reads()
        respondent.reply()
        now_s = time.time()
        if not due_s - every_s <= now_s < due_s or _is_watched():  # the clock may go back
            due_s = _next_multiple(every_s, now_s)
            _report_quietly()


def _next_multiple(step_s: int, now_s: float) -> float:
    return float((now_s // step_s + 1) * step_s)


def _is_watched() -> bool:
    try:
        return bool(get_redis_client().exists(analytics_key("watched")))
    except RedisError:
        return False


def _report_quietly() -> None:
    try:
        report_activity()
    except RedisError as error:
        logger.info("Analytics put off", extra={"error": str(error)})


def _make_report(now_s: float, took_s: float, totals: dict[str, int], entries: list[tuple[str, EntryCounts]]) -> Call:
    """
    A report of the last `took_s` seconds, which counts for the steps that contain the middle of that time.

    Its mark makes sending it twice harmless.
    """
    from cache_layer.lookup import find_lookup  # needs models, which come after settings

    middle_s = now_s - min(took_s, get_options().analytics_seconds or MINUTE_SECONDS) / 2
    within_a_moment = took_s < 1.5 * MOMENT_SECONDS
    keys = [
        analytics_key(f"report:{uuid4().hex}"),
        totals_key(MINUTE_SECONDS, middle_s),
        totals_key(HOUR_SECONDS, middle_s),
        hits_key(now_s),
        *map(analytics_key, ("stored", "hits", "invalidated")),
        totals_key(MOMENT_SECONDS, middle_s),
    ]
    arguments: list[Any] = [int(now_s), MINUTE_RETENTION_SECONDS, RETENTION_SECONDS, MAX_ENTRIES, len(totals)]
    arguments.append(MOMENT_RETENTION_SECONDS if within_a_moment and totals else 0)
    arguments += chain.from_iterable(totals.items())
    for key, counts in entries:
        lookup = find_lookup(key)
        ttl_seconds = lookup.ttl_seconds if lookup else 0
        arguments += [key, counts.hits, counts.stored_s, ttl_seconds, counts.invalidated_s, counts.cause]
    return Call(tuple(keys), tuple(arguments))
