"""
25 entity types are read one after the other over 16 connections that are never idle. `CPU` is the server's time on its
core per response. Where less than the whole core is in use, the load generator or an engine was the limit.
"""

import contextlib
import json
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tests.benchmarks.contenders import CONSTANT, CONTENDERS
from tests.benchmarks.load.wire import Reads, connect, parse_answer, read_answer
from tests.benchmarks.rows import hot_codes, written_code
from tests.benchmarks.server import Server
from tests.benchmarks.session import Session
from tests.benchmarks.tables import Requirement, Results, Tabled, median, ratio, ratios, spread
from tests.stage import StageFailed

SUMMARY = "hits over HTTP of one reader, every contender in turn"
HEADING = "Hits over HTTP of one reader"

Columns = dict[str, dict[str, list[float]]]


def check_servers(session: Session, servers: Mapping[str, Server], reads: Reads) -> None:
    """
    Every contender does the same work; nothing is worth timing else.

    Each gives the same document for every code, whosever token asks, and warms its cache with it. But for the constant
    each refuses a token that is not valid, and shows a change when it has answered it.

    Raises:
        StageFailed: one does not.
    """
    _check_documents(servers, reads)
    for name, server in servers.items():
        if name == CONSTANT:
            continue
        status = server.ask(f"{session.token}x", "GET", f"/api/v1/entity/type/{hot_codes()[0]}").status
        if status != 401:
            raise StageFailed(f"{name} answers {status} to a token that is not valid")
        code = written_code(name)
        for label in ("Changed", "Changed again"):
            server.ask(session.token, "PATCH", f"/api/v1/entity/{code}", {"label": label})
            shown = server.ask(session.token, "GET", f"/api/v1/entity/type/{code}")
            if json.loads(shown.body).get("label") != label:
                raise StageFailed(f"{name} shows {shown.body[:200]!r} after a change to {label}")


def _check_documents(servers: Mapping[str, Server], reads: Reads) -> None:
    with contextlib.ExitStack() as stack:
        connections = {name: stack.enter_context(connect(server.port)) for name, server in servers.items()}
        for number, request in enumerate(reads.each_once(0)):
            code = reads.codes[number % len(reads.codes)]
            documents = {name: _document(name, connection, request) for name, connection in connections.items()}
            expected = documents.get("database") or next(iter(documents.values()))
            for name, document in documents.items():
                if name != CONSTANT and (document != expected or document["code"] != code):
                    raise StageFailed(f"{name} answers {document} for {code}, and not {expected}")


def _document(name: str, connection: socket.socket, request: bytes) -> Any:
    connection.sendall(request)
    answer = parse_answer(read_answer(connection))
    if answer.status != 200 or not answer.headers.get("content-type", "").startswith("application/json"):
        raise StageFailed(f"{name} answers {answer.status}: {answer.body[:200]!r}")
    return json.loads(answer.body)


def measure(session: Session) -> Columns:
    """What `take_turns` returns, for one reader and every contender."""
    servers, reads = session.servers(*CONTENDERS), session.one_reader()
    check_servers(session, servers, reads)
    return take_turns(session, servers, reads, session.plan.rounds, "hits over HTTP")


def take_turns(
    session: Session,
    servers: Mapping[str, Server],
    reads: Reads,
    rounds: int,
    what: str,
    *,
    seconds: float | None = None,
) -> Columns:
    """
    Have each server read in turn, for the plan's seconds if no others are given; what is read at random differs from
    round to round.

    Returns:
        For each contender, and each round: answers per second, median and 99th percentile of the latency in ms,
        the share of its core that the server used, and processor time in microseconds for each answer.
    Raises:
        StageFailed: an answer was an error.
    """

    def read(number: int, name: str) -> dict[str, float]:
        server, drawn = servers[name], reads if reads.seed is None else replace(reads, seed=reads.seed + number)
        server.warm(drawn)  # whatever expired since its last turn is in its cache again
        before = server.processor_seconds()
        load = server.load(drawn, seconds or session.plan.seconds)
        busy = (server.processor_seconds() - before) / load.seconds
        return {
            "per_second": round(load.per_second, 1),
            "p50_ms": round(load.p50_ms, 3),
            "p99_ms": round(load.p99_ms, 3),
            "busy": round(busy, 3),
            "processor_us": round(busy / load.per_second * 1e6, 2),
        }

    return session.take_turns(servers, rounds, what, read)


def table(found: Results, results: Results) -> Tabled:
    classic = median(found["classic"]["per_second"])
    rows = []
    for name, contender in CONTENDERS.items():
        if name in results["missing"]:
            rows.append((contender.title, f"not measured: {results['missing'][name]}", *[""] * 6))
        if name not in found:
            continue
        columns = found[name]
        rows.append(
            (
                contender.title,
                *spread(columns["per_second"]),
                f"{ratio(median(columns['per_second']) / classic)}x",
                f"{median(columns['p50_ms']):.2f}",
                f"{median(columns['p99_ms']):.2f}",
                f"{median(columns['processor_us']):,.0f}",
                f"{median(columns['busy']):.0%}",
            )
        )
    shown = ("contender", "responses per second", "range over rounds", "classic = 1", "p50, ms", "p99, ms")
    return Tabled("Hits over HTTP, one worker on one core", (*shown, "CPU, us each", "core in use"), rows)


def requirements(found: Results) -> list[Requirement]:
    rows = (
        ("HTTP hit, express lane / classic", 12, "lane", "classic"),
        ("HTTP hit through Django / classic", 2, "django", "classic"),
    )
    return [
        Requirement(text, "at least", limit, ratios(found[over]["per_second"], found[under]["per_second"]))
        for text, limit, over, under in rows
    ]
