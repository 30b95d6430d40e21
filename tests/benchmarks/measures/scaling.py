"""Hits over HTTP with one and two workers; the server may use every core, and shares them with all the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.benchmarks.contenders import Contender
from tests.benchmarks.load.generators import Generator
from tests.benchmarks.rows import hot_codes
from tests.benchmarks.stage import Server, Stage
from tests.torture.stage import StageFailed

WORKERS = (1, 2)
CONNECTIONS = 32


def measure_scaling(
    stage: Stage,
    contenders: Sequence[Contender],
    generator: Generator,
    *,
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> dict[str, dict[str, list[float]]]:
    """Answers per second, for each contender, number of workers and round; load and server share all cores."""
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
        for number in range(rounds):
            say(f"one and two workers, round {number + 1} of {rounds}")
            for name, each in servers.items():
                for workers, server in each.items():
                    load = generator.run(server.port, stage.token, hot_codes(), seconds, CONNECTIONS)
                    if load.errors:
                        raise StageFailed(f"{name} with {workers} workers: {load.errors} errors")
                    found[name][workers].append(round(load.per_second, 1))
    for each in servers.values():
        for server in each.values():
            stage.stop_server(server)
    return found
