"""
The same 25 are read, out of so many. The raw pipelines write and drop the same keys and values, 500 at a time, and read
no database. Warming does: two fifths of its time go into reading rows and making documents of them, and as much into
the two scripts, which look for a writer, a marker and somebody else's lease before they store anything. Coming near a
raw SET would take documents made by PostgreSQL itself, and several processes. Clearing names ten keys where the
raw pipeline names one: value, lease, holds, last holder, absence and last known value, and the four that readers of the
next schema version may serve or fill.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from tests.benchmarks.measures.process import call_in_process, measure_hits, measure_memory
from tests.benchmarks.rows import FEW_REDIS_DB, MANY_REDIS_DB, RAW_REDIS_DB, code_of
from tests.benchmarks.session import Session
from tests.benchmarks.tables import Requirement, Results, Tabled, median, ratios

SUMMARY = "25 against 100,000 entity types; warming and clearing all of them; memory of a copy"
HEADING = "Few and many entity types"

ROUNDS = 3
MEMORY_COPIES = 5_000
BATCH, TTL_SECONDS = 500, 300


def measure(session: Session) -> dict[str, Any]:
    """Bulk operations, then hits on as many codes as ever among many, in turns with hits among few."""
    count = session.plan.many
    among_few = {"REDIS_DB": str(FEW_REDIS_DB)}
    among_many = {"DATABASE_URL": session.many_database_url, "REDIS_DB": str(MANY_REDIS_DB)}
    session.say(f"warming and clearing {count:,} entity types")
    bulk = session.call_on_server_core(f"{__name__}:measure_bulk", count, ROUNDS, **among_many)
    read: dict[str, dict[str, list[float]]] = {name: {"l1": [], "l2": []} for name in ("few", "many")}
    for _ in range(ROUNDS):
        session.say(f"hits among {count:,}")
        for name, environment in (("few", among_few), ("many", among_many)):
            found = call_in_process(session, measure_hits, 4, **environment)
            for level in ("l1", "l2"):
                read[name][level].extend(found[level])
    memory = call_in_process(session, measure_memory, min(count, MEMORY_COPIES), **among_many)
    return {"count": count, "bulk": bulk, **read, "bytes_per_copy": memory}


def measure_bulk(count: int, rounds: int) -> dict[str, Any]:
    """
    Seconds, for each round, to warm and to clear `count` entity types through our functions and by raw pipelines; and
    to warm the list of all, which is one value of many megabytes.

    The last thing done is warming: all of them are left in the cache.
    """
    from redis import Redis

    from cache_layer import CoherentLookup, Source
    from cache_layer.server.connection import get_redis_client
    from entities.lookups import ENTITY, ENTITY_TYPES

    codes = [code_of(number) for number in range(1, count + 1)]
    ours = get_redis_client()
    address = ours.connection_pool.connection_kwargs
    raw = Redis(host=address["host"], port=address["port"], db=RAW_REDIS_DB, protocol=2)
    taken: dict[str, list[float]] = {"warm": [], "raw_warm": [], "clear": [], "raw_clear": [], "list": []}

    for number in range(rounds + 1):
        with _timed(taken["warm"]):
            sources = Counter(read.source for each in _batches(codes) for read in ENTITY.read_many(each).values())
        assert sources == {Source.DATABASE: count}, sources
        with _timed(taken["list"]):
            ENTITY_TYPES.read()
        values = _read(ours, [f"entity:metadata:{code}" for code in codes])
        assert len(values) == count
        with _timed(taken["raw_warm"]):
            for pipeline, keys in _pipelines(raw, values):
                for key in keys:
                    pipeline.set(key, values[key], ex=TTL_SECONDS)
        assert raw.dbsize() == count
        with _timed(taken["raw_clear"]):
            for pipeline, keys in _pipelines(raw, values):
                for key in keys:
                    pipeline.unlink(key)
        assert raw.dbsize() == 0
        if number < rounds:
            with _timed(taken["clear"]):
                CoherentLookup.clear_all()
            assert not _read(ours, values)
    return {"count": count, **taken}


def _read(client: Any, keys: Iterable[str]) -> dict[str, bytes]:
    found = ((batch, client.mget(batch)) for batch in _batches(keys))
    return {key: value for each in found for key, value in zip(*each, strict=True) if value is not None}


def _pipelines(client: Any, keys: Iterable[str]) -> Iterator[tuple[Any, list[str]]]:
    """A pipeline for each batch of keys, which is sent when it has been filled."""
    for batch in _batches(keys):
        pipeline = client.pipeline(transaction=False)
        yield pipeline, batch
        pipeline.execute()


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    left = iter(keys)
    while batch := list(islice(left, BATCH)):
        yield batch


@contextlib.contextmanager
def _timed(taken: list[float]) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    taken.append(round(time.perf_counter() - begun, 4))


def table(found: Results, _: Results) -> Tabled:
    bulk = {name: f"{median(taken):.2f}" for name, taken in found["bulk"].items() if name != "count"}
    rows = [
        (f"{title}, microseconds", *(f"{median(found[among][level]) / 1000:.2f}" for among in ("few", "many")))
        for level, title in (("l1", "hit in memory (L1)"), ("l2", "hit in Redis (L2)"))
    ]
    rows += [
        ("warm all, seconds (raw pipelined SET)", "", f"{bulk['warm']} ({bulk['raw_warm']})"),
        ("clear all, seconds (raw pipelined UNLINK)", "", f"{bulk['clear']} ({bulk['raw_clear']})"),
        ("warm the list of all, seconds", "", bulk["list"]),
        ("memory of one copy (L1), bytes", "", f"{found['bytes_per_copy']:,.0f}"),
    ]
    return Tabled("Few and many entity types", ("figure", "among 25", f"among {found['count']:,}"), rows)


def requirements(found: Results) -> list[Requirement]:
    count, few, many, bulk = f"{found['count']:,}", found["few"], found["many"], found["bulk"]
    rows = (
        (f"hit in memory among {count} / among 25", 1.2, many["l1"], few["l1"]),
        (f"hit in Redis among {count} / among 25", 1.2, many["l2"], few["l2"]),
        (f"warming {count} / raw pipelined SET", 3, bulk["warm"], bulk["raw_warm"]),
        (f"clearing {count} / raw pipelined UNLINK", 3, bulk["clear"], bulk["raw_clear"][: len(bulk["clear"])]),
    )
    return [Requirement(text, "at most", limit, ratios(over, under)) for text, limit, over, under in rows]
