"""Mixed traffic at saturation, then beside each kind of bad client. Status 1: something was not borne."""

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg
from redis import Redis
from rich.console import Console

from pmo.run.embedded import running_engines
from tests.figures import quantile
from tests.nginx import nginx_before
from tests.outages.prepare import Prepared
from tests.soak.attackers import ATTACKS
from tests.soak.traffic import Seen, Traffic
from tests.stage import Processes, is_answering, own_environment, stop
from tests.topologies import find_port

MAX_SECONDS = 7_200
CALM_SHARE = 0.5
"""Of the time, without bad clients; the rest is shared by the attacks."""
PERIOD_SECONDS = 1.0
"""Between two looks at what the servers take."""
FLAT_MB = 15
"""How much memory may grow from the second quarter of the calm time to its last."""


SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


class Sample(NamedTuple):
    """One look."""

    rss_mb: float
    sockets: int
    redis_clients: int
    database_sessions: int


def look(process: int, redis: Redis, database: psycopg.Connection) -> Sample:
    """At a process and its children, and at the engines that they use."""
    family = [(parent := psutil.Process(process)), *parent.children()]
    [[sessions]] = database.execute(SESSIONS)
    info: Any = redis.info("clients")
    return Sample(
        rss_mb=sum(each.memory_info().rss for each in family) / 1e6,
        sockets=sum(len(each.net_connections("all")) for each in family),
        redis_clients=int(info["connected_clients"]) - 1,
        database_sessions=int(sessions),
    )


@dataclass(frozen=True)
class Phase:
    """What one part of the run came to."""

    name: str
    seconds: float
    seen: Seen
    samples: Sequence[Sample]


def main() -> None:
    arguments = _parser().parse_args()
    console = Console(soft_wrap=True, highlight=False)
    phases: list[Phase] = []
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pmo-soak-")))
        for phase in _run(stack, directory, arguments):
            phases.append(phase)
            console.print(_row(phase), markup=False)
    broken = list(_find_broken(phases))
    for each in broken:
        console.print(each, style="bold red", markup=False)
    sys.exit(bool(broken))


def _run(stack: contextlib.ExitStack, directory: Path, arguments: argparse.Namespace) -> Iterator[Phase]:
    endpoints, _ = stack.enter_context(running_engines(directory, durable=False))
    processes = Processes(
        directory,
        stack,
        own_environment(
            directory,
            endpoints.database_url,
            REDIS_HOST="127.0.0.1",
            REDIS_PORT=str(endpoints.valkey_port),
            LOG_LEVEL="CRITICAL",
        ),
    )
    prepared = Prepared(*processes.call("tests.outages.prepare:prepare_database"))
    port = front = find_port()
    web = processes.start_server(port, "server", workers=arguments.workers)
    processes.wait_until(lambda: is_answering(port), web)
    if arguments.nginx:  # good and bad clients have one address here
        front = stack.enter_context(nginx_before(directory, port, limited=False))[4000]
    redis = stack.enter_context(Redis(port=endpoints.valkey_port))
    database = stack.enter_context(psycopg.connect(endpoints.database_url, autocommit=True))
    traffic = Traffic(front, prepared, arguments.clients)
    traffic.start()
    stack.callback(traffic.stop)

    def end_phase(name: str, seconds: float) -> Phase:
        samples, until = [], time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(PERIOD_SECONDS, left))
            samples.append(look(web.pid, redis, database))
        return Phase(name, seconds, traffic.next_phase(), samples)

    yield end_phase("nobody else", arguments.seconds * CALM_SHARE)
    for name, kind in ATTACKS.items():
        attack = processes.start([sys.executable, "-m", "tests.soak.attackers", str(front), name], "attack")
        yield end_phase(f"{kind.connections:,} {name}", arguments.seconds * (1 - CALM_SHARE) / len(ATTACKS))
        stop(attack)


def _row(phase: Phase) -> str:
    """One line of a table in Markdown."""
    answers = phase.seen.answers
    explained = sum(count for name, count in answers.items() if name.endswith(" 503"))
    unexplained = ", ".join(f"{name} {count}" for name, count in phase.seen.unexplained.most_common()) or "0"
    p50, p99, slowest = (quantile(phase.seen.latencies, share) * 1000 for share in (0.5, 0.99, 1))
    memory, *counts = zip(*phase.samples, strict=True)
    return (
        f"| {phase.name} | {phase.seconds:.0f} | {answers.total() / phase.seconds:,.0f} | {p50:.1f} | {p99:.0f}"
        f" | {slowest:.0f} | {explained} | {unexplained} | {min(memory):.0f} to {max(memory):.0f} |"
        f" {' | '.join(f'{max(each):,}' for each in counts)} |"
    )


def _find_broken(phases: Sequence[Phase]) -> Iterator[str]:
    for phase in phases:
        if phase.seen.unexplained:
            yield f"{phase.name}: errors that nobody explains: {dict(phase.seen.unexplained)}"
    calm = [sample.rss_mb for sample in phases[0].samples]
    quarter = len(calm) // 4
    if quarter:
        grown = statistics.mean(calm[-quarter:]) - statistics.mean(calm[quarter : 2 * quarter])
        if grown > FLAT_MB:
            yield f"memory grew by {grown:.0f} MB in the second half of the calm time"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, choices=range(10, MAX_SECONDS + 1), metavar="N")
    parser.add_argument("--clients", type=int, default=16, help="of the mixed traffic, one request under way each")
    parser.add_argument("--workers", type=int, default=2, help="of the server")
    parser.add_argument("--nginx", action="store_true", help="behind nginx with deploy/nginx/pmo.conf")
    return parser


if __name__ == "__main__":
    main()
