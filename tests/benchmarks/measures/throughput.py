"""Hits over HTTP: answers per second of every contender, in turns of a few seconds each, many turns over."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.benchmarks.load.generators import Generator, Load
from tests.benchmarks.load.wire import Reads, connect, parse_answer, read_answer
from tests.benchmarks.rows import hot_codes
from tests.benchmarks.server import Server
from tests.benchmarks.session import Session
from tests.benchmarks.stage import Stage
from tests.torture.stage import StageFailed

Columns = dict[str, dict[str, list[float]]]


def check_answers(servers: Mapping[str, Server], reads: Reads) -> None:
    """
    Every contender gives the same document for every code, whosever token asks, and warms its cache with it.

    Raises:
        StageFailed: one does not; nothing is worth timing then.
    """
    asked = reads.each_once(0)
    with contextlib.ExitStack() as stack:
        connections = {name: stack.enter_context(connect(server.port)) for name, server in servers.items()}
        for number, request in enumerate(asked):
            code = reads.codes[number % len(reads.codes)]
            documents = {name: _document(name, connection, request) for name, connection in connections.items()}
            expected = documents.get("database") or next(iter(documents.values()))
            for name, document in documents.items():
                if name != "constant" and (document != expected or document["code"] != code):
                    raise StageFailed(f"{name} answers {document} for {code}, and not {expected}")


def _document(name: str, connection: socket.socket, request: bytes) -> Any:
    connection.sendall(request)
    answer = parse_answer(read_answer(connection))
    if answer.status != 200 or not answer.headers.get("content-type", "").startswith("application/json"):
        raise StageFailed(f"{name} answers {answer.status}: {answer.body[:200]!r}")
    return json.loads(answer.body)


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


def measure_throughput(session: Session) -> Columns:
    """What `take_turns` returns, for one reader and every contender."""
    servers = session.servers(*session.plan.contenders)
    check_answers(servers, session.stage.one_reader())
    check_refusals(session.stage, servers)
    return take_turns(session, servers, session.stage.one_reader(), session.plan.rounds, "hits over HTTP")


def take_turns(session: Session, servers: Mapping[str, Server], reads: Reads, rounds: int, what: str) -> Columns:
    """
    Have each server read in turn; what is read at random differs from round to round.

    Returns:
        For each contender, and each round: answers per second, median and 99th percentile of the latency in ms,
        the share of its core that the server used, and processor time in microseconds for each answer.
    Raises:
        StageFailed: an answer was an error.
    """
    turns: dict[str, list[tuple[Load, float]]] = {name: [] for name in servers}
    for number, name in session.turns(servers, rounds, what):
        drawn = reads if reads.seed is None else replace(reads, seed=reads.seed + number)
        turns[name].append(_take_turn(servers[name], session.generator, drawn, session.plan.seconds))
    return {name: _columns(taken) for name, taken in turns.items()}


def _take_turn(server: Server, generator: Generator, reads: Reads, seconds: float) -> tuple[Load, float]:
    server.warm(reads)  # whatever expired since its last turn is in its cache again
    before = server.processor_seconds()
    load = generator.run(server.port, reads, seconds)
    used = server.processor_seconds() - before
    if load.errors or not load.requests:
        raise StageFailed(f"{server.contender.name}: {load.errors} errors, {load.requests} answers")
    return load, used / load.seconds


def _columns(turns: Sequence[tuple[Load, float]]) -> dict[str, list[float]]:
    return {
        "per_second": [round(load.per_second, 1) for load, _ in turns],
        "p50_ms": [round(load.p50_ms, 3) for load, _ in turns],
        "p99_ms": [round(load.p99_ms, 3) for load, _ in turns],
        "busy": [round(busy, 3) for _, busy in turns],
        "processor_us": [round(busy / load.per_second * 1e6, 2) for load, busy in turns],
    }
