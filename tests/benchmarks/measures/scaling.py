"""Hits over HTTP with one and two workers; the server may use every core, and shares them with all the others."""

from __future__ import annotations

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.server import Server
from tests.benchmarks.session import Session
from tests.torture.stage import StageFailed

WORKERS = (1, 2)
CONNECTIONS = 32
ROUNDS = 3
OURS = ("django", "lane")


def measure_scaling(session: Session) -> dict[str, dict[str, list[float]]]:
    """Answers per second, for each contender, number of workers and round; load and server share all cores."""
    stage, contenders = session.stage, [CONTENDERS[name] for name in OURS]
    servers: dict[str, dict[str, Server]] = {
        contender.name: {
            str(workers): stage.start_server(contender, workers=workers, cores=stage.cores.all) for workers in WORKERS
        }
        for contender in contenders
    }
    found: dict[str, dict[str, list[float]]] = {
        name: {workers: [] for workers in each} for name, each in servers.items()
    }
    for each in servers.values():
        for server in each.values():
            stage.wait_for(server)
    with stage.cores.given(stage.cores.all):
        for _, name in session.turns(servers, ROUNDS, "one and two workers"):
            for workers, server in servers[name].items():
                load = session.generator.run(server.port, stage.one_reader(), session.plan.seconds, CONNECTIONS)
                if load.errors:
                    raise StageFailed(f"{name} with {workers} workers: {load.errors} errors")
                found[name][workers].append(round(load.per_second, 1))
    for each in servers.values():
        for server in each.values():
            stage.stop_server(server)
    return found
