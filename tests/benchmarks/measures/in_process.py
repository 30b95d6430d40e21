"""
`python -m tests.benchmarks.measures.in_process ROUNDS COPIES`: what `get_entity` costs in process; prints JSON.

Every loop has the same shape, `for code in codes: read(code)`, so that its own cost cancels out in ratios.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import Any

import django

from tests.benchmarks.rows import code_of, hot_codes

LOCAL_PASSES = 400
REDIS_PASSES = 40


def measure_hits(rounds: int) -> dict[str, list[float]]:
    """
    Nanoseconds of one read, for each round: from a dict with a clock check, from our memory (L1), by a bare `GET` of
    redis-py, from Redis (L2).
    """
    from redis import Redis

    from cache_layer.memory.local_store import drop_all_copies
    from cache_layer.server.connection import get_redis_client
    from entities.services import get_entity_infrastructure

    codes = hot_codes()
    get_entity = get_entity_infrastructure().get_entity
    # The connections' address and protocol are ours, their class is the same, and nothing else is.
    ours = get_redis_client().connection_pool.connection_kwargs
    bare = Redis(**{name: ours[name] for name in ("host", "port", "db", "protocol", "socket_timeout")})
    keys = [f"entity:metadata:{code}" for code in codes]
    documents = {code: (monotonic_ns() + 10**15, get_entity(code)) for code in codes}

    def read_dict(code: str) -> Any:
        entry = documents.get(code)
        return entry[1] if entry is not None and monotonic_ns() < entry[0] else None

    def read_redis(code: str) -> Any:
        drop_all_copies()
        return get_entity(code)

    for code in codes:
        assert get_entity(code) == documents[code][1] is not None
    taken: dict[str, list[float]] = {"dict": [], "l1": [], "get": [], "l2": []}
    for _ in range(rounds):
        drop_all_copies()
        for code in codes:
            get_entity(code)  # a fresh lease
        before = _count_reads()
        taken["dict"].append(_time(read_dict, codes, LOCAL_PASSES))
        taken["l1"].append(_time(get_entity, codes, LOCAL_PASSES))
        taken["get"].append(_time(bare.get, keys, REDIS_PASSES))
        taken["l2"].append(_time(read_redis, codes, REDIS_PASSES))
        made = _count_reads() - before
        assert made == {"L1": LOCAL_PASSES * len(codes), "L2": REDIS_PASSES * len(codes)}, made
    return taken


def measure_memory(copies: int) -> float:
    """Bytes of memory for one more entity type in L1, over that many."""
    from cache_layer.memory.local_store import drop_all_copies
    from entities.services import get_entity_infrastructure

    get_entity = get_entity_infrastructure().get_entity
    codes = [code_of(number) for number in range(1, copies + 1)]
    for code in codes[:100]:
        get_entity(code)
    drop_all_copies()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for code in codes:
            get_entity(code)
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / copies
    finally:
        tracemalloc.stop()


def _time(read: Callable[[str], Any], names: Sequence[str], passes: int) -> float:
    gc.collect()
    gc.disable()
    begun = time.perf_counter_ns()
    for _ in range(passes):
        for name in names:
            read(name)
    taken = time.perf_counter_ns() - begun
    gc.enable()
    return taken / (passes * len(names))


def _count_reads() -> Counter[str]:
    """This process's reads so far, by where they came from."""
    from cache_layer.activity import fold_reads
    from cache_layer.metrics import READS

    fold_reads()
    samples = (sample for metric in READS.collect() for sample in metric.samples)
    return Counter({each.labels["source"]: int(each.value) for each in samples if each.name.endswith("_total")})


if __name__ == "__main__":
    rounds, copies = map(int, sys.argv[1:])
    django.setup()
    found: dict[str, Any] = measure_hits(rounds)
    if copies:
        found["bytes_per_copy"] = measure_memory(copies)
    json.dump(found, sys.stdout)
