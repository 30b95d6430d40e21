"""Hits over HTTP: answers per second of every contender, in turns of a few seconds each, many turns over."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence

from tests.benchmarks.load.generators import Generator, Load
from tests.benchmarks.rows import hot_codes
from tests.benchmarks.stage import Server, Stage
from tests.torture.stage import StageFailed

Say = Callable[[str], None]


def check_answers(stage: Stage, servers: Mapping[str, Server]) -> None:
    """
    Every contender gives the same document for every hot code, and warms its cache with it.

    Raises:
        StageFailed: one does not; nothing is worth timing then.
    """
    for code in hot_codes():
        documents = {}
        for name, server in servers.items():
            answer = server.ask(stage.token, "GET", f"/api/v1/entity/type/{code}")
            if answer.status != 200 or not answer.headers.get("content-type", "").startswith("application/json"):
                raise StageFailed(f"{name} answers {answer.status} for {code}: {answer.body[:200]!r}")
            documents[name] = json.loads(answer.body)
        expected = documents.get("database") or next(iter(documents.values()))
        for name, document in documents.items():
            if name != "constant" and (document != expected or document["code"] != code):
                raise StageFailed(f"{name} answers {document} for {code}, and not {expected}")


def check_refusals(stage: Stage, servers: Mapping[str, Server]) -> None:
    """
    Every contender but the constant refuses a request whose token is not valid.

    Raises:
        StageFailed: one does not.
    """
    for name, server in servers.items():
        status = server.ask(f"{stage.token}x", "GET", f"/api/v1/entity/type/{hot_codes()[0]}").status
        if name != "constant" and status != 401:
            raise StageFailed(f"{name} answers {status} to a token that is not valid")


def measure_throughput(
    stage: Stage,
    servers: Mapping[str, Server],
    generator: Generator,
    *,
    rounds: int,
    seconds: float,
    seed: int,
    say: Say,
) -> dict[str, dict[str, list[float]]]:
    """
    Returns:
        For each contender, and each round: answers per second, median and 99th percentile of the latency in ms,
        the share of its core that the server used, and processor time in microseconds for each answer.
    Raises:
        StageFailed: an answer was an error.
    """
    order = list(servers)
    shuffled = random.Random(seed)
    turns: dict[str, list[Load]] = {name: [] for name in servers}
    busy: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(rounds):
        say(f"hits over HTTP, round {number + 1} of {rounds}")
        shuffled.shuffle(order)
        for name in order:
            load, used = _take_turn(stage, servers[name], generator, seconds)
            turns[name].append(load)
            busy[name].append(used)
    return {name: _columns(turns[name], busy[name]) for name in servers}


def _take_turn(stage: Stage, server: Server, generator: Generator, seconds: float) -> tuple[Load, float]:
    for code in hot_codes():  # whatever expired since its last turn is in its cache again
        server.ask(stage.token, "GET", f"/api/v1/entity/type/{code}")
    before = server.processor_seconds()
    load = generator.run(server.port, stage.token, hot_codes(), seconds)
    used = server.processor_seconds() - before
    if load.errors or not load.requests:
        raise StageFailed(f"{server.contender.name}: {load.errors} errors, {load.requests} answers")
    return load, used / load.seconds


def _columns(loads: Sequence[Load], busy: Sequence[float]) -> dict[str, list[float]]:
    return {
        "per_second": [round(load.per_second, 1) for load in loads],
        "p50_ms": [round(load.p50_ms, 3) for load in loads],
        "p99_ms": [round(load.p99_ms, 3) for load in loads],
        "busy": [round(share, 3) for share in busy],
        "processor_us": [round(share / load.per_second * 1e6, 2) for load, share in zip(loads, busy, strict=True)],
    }
