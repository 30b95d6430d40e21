"""
`python -m tests.benchmarks.measures.bulk COUNT ROUNDS`: warming and clearing all entity types, against raw pipelines.

It prints JSON. The raw pipelines write and drop the very same keys and values in a Redis database of their own, 500 at
a time.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import django

from tests.benchmarks.rows import RAW_REDIS_DB, code_of

BATCH = 500
TTL_SECONDS = 300


def measure_bulk(count: int, rounds: int) -> dict[str, Any]:
    """
    Seconds, for each round, to warm and to clear `count` entity types through our functions and by raw pipelines; and
    to warm the list of all, which is one value of many megabytes.

    The last thing done is warming: all of them are left in the cache.
    """
    from redis import Redis

    from cache_layer.server.connection import get_redis_client
    from entities.cache.entries import drop_all_entries, warm_entries

    codes = [code_of(number) for number in range(1, count + 1)]
    ours = get_redis_client()
    address = ours.connection_pool.connection_kwargs
    raw = Redis(host=address["host"], port=address["port"], db=RAW_REDIS_DB, protocol=2)
    taken: dict[str, list[float]] = {"warm": [], "raw_warm": [], "clear": [], "raw_clear": [], "list": []}

    for number in range(rounds + 1):
        warming = warm_entries(codes)
        taken["warm"].append(_time(lambda: _warm(warming, count)))  # noqa: B023 - called at once
        taken["list"].append(_time(lambda: list(warming)))  # noqa: B023
        values = dict(_values(ours, [f"entity:metadata:{code}" for code in codes]))
        assert len(values) == count
        taken["raw_warm"].append(_time(lambda: _set(raw, values)))  # noqa: B023 - called at once
        assert raw.dbsize() == count
        taken["raw_clear"].append(_time(lambda: _unlink(raw, values)))  # noqa: B023
        assert raw.dbsize() == 0
        if number < rounds:
            taken["clear"].append(_time(drop_all_entries))
            assert not list(_values(ours, list(values)))
    return {"count": count, **taken}


def _warm(warming: Iterator[tuple[str, object]], count: int) -> None:
    from entities.cache.entries import Warmed

    found = Counter(warmed for _, warmed in islice(warming, count))
    assert found == {Warmed.FILLED: count}, found


def _set(client: Any, values: dict[str, bytes]) -> None:
    for batch in _batches(values):
        pipeline = client.pipeline(transaction=False)
        for key in batch:
            pipeline.set(key, values[key], ex=TTL_SECONDS)
        pipeline.execute()


def _unlink(client: Any, values: dict[str, bytes]) -> None:
    for batch in _batches(values):
        pipeline = client.pipeline(transaction=False)
        for key in batch:
            pipeline.unlink(key)
        pipeline.execute()


def _values(client: Any, keys: list[str]) -> Iterator[tuple[str, bytes]]:
    for batch in _batches(dict.fromkeys(keys, b"")):
        yield from ((key, value) for key, value in zip(batch, client.mget(batch), strict=True) if value is not None)


def _batches(values: dict[str, bytes]) -> Iterator[list[str]]:
    keys = iter(values)
    while batch := list(islice(keys, BATCH)):
        yield batch


def _time(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return round(time.perf_counter() - begun, 4)


if __name__ == "__main__":
    django.setup()
    json.dump(measure_bulk(int(sys.argv[1]), int(sys.argv[2])), sys.stdout)
