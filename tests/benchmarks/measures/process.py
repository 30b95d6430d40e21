"""The same loop around each. The bare `GET` uses the same class of connection (hiredis) and ignores what it gets."""

import gc
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import Any

from tests.benchmarks.rows import code_of, hot_codes
from tests.benchmarks.session import Session
from tests.benchmarks.tables import Requirement, Results, Tabled, median, ratios

SUMMARY = "get_entity in process, against a dict and redis-py"
HEADING = "In process"

ROUNDS = 15
LOCAL_PASSES, REDIS_PASSES = 400, 40
LONG_LEASE = {"CACHE_LOCAL_LEASE_MS": "2000", "REQUEST_BUDGET_MS": "0"}
"""In process, so that no copy reaches its end in the middle of a loop."""


def measure(session: Session) -> dict[str, Any]:
    return call_in_process(session, measure_hits, ROUNDS)


def call_in_process(session: Session, function: Callable[[int], Any], number: int, **environment: str) -> Any:
    """What one of these gives in a process of its own."""
    return session.call_on_server_core(f"{__name__}:{function.__name__}", number, **LONG_LEASE, **environment)


def measure_hits(rounds: int) -> dict[str, list[float]]:
    """
    Nanoseconds of one read, for each round: from a dict with a clock check, from our memory (L1), by a bare `GET` of
    redis-py, from Redis (L2). Every loop has the same shape, so that its own cost cancels out in ratios.
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


def table(found: Results, _: Results) -> Tabled:
    rows = []
    for name, title in (
        ("dict", "dict lookup with a clock check"),
        ("l1", "`get_entity`, from memory (L1)"),
        ("get", "bare redis-py `GET`"),
        ("l2", "`get_entity`, from Redis (L2)"),
    ):
        middle, least, most = (each(found[name]) / 1000 for each in (median, min, max))
        rows.append((title, f"{middle:,.2f}", f"{least:,.2f} to {most:,.2f}"))
    return Tabled("In process", ("read", "microseconds", "range over rounds"), rows)


def requirements(found: Results) -> list[Requirement]:
    rows = (
        ("`get_entity` from memory (L1) / dict lookup with a clock check", 5, "l1", "dict"),
        ("`get_entity` from Redis (L2) / bare redis-py GET", 1.25, "l2", "get"),
    )
    return [Requirement(text, "at most", limit, ratios(found[over], found[under])) for text, limit, over, under in rows]
