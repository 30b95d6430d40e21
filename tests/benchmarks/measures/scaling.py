"""
Server, load generator and engines share all cores here: a second worker cannot have what the load generator takes.
Workers share nothing but Redis and the database, so on a machine with a core for each, their throughput adds up until
the load generator, or for misses the database, is the limit.
"""

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.session import Session
from tests.benchmarks.tables import Results, Tabled, median, ratio

SUMMARY = "one and two workers"
HEADING = "One and two workers"

WORKERS = (1, 2)
CONNECTIONS = 32
ROUNDS = 3
OURS = ("django", "lane")


def measure(session: Session) -> dict[str, dict[str, list[float]]]:
    """Answers per second, for each contender, number of workers and round; load and server share all cores."""
    with session.cores.given(session.cores.all):
        servers = {
            (name, workers): session.start_contender(CONTENDERS[name], workers=workers, cores=session.cores.all)
            for name in OURS
            for workers in WORKERS
        }

        def read(_: int, name: str) -> dict[str, float]:
            found = {}
            for workers in WORKERS:
                server = servers[name, workers]
                server.warm(session.one_reader())
                load = server.load(session.one_reader(), session.plan.seconds, CONNECTIONS)
                found[str(workers)] = round(load.per_second, 1)
            return found

        found = session.take_turns(OURS, ROUNDS, "one and two workers", read)
    for server in servers.values():
        session.stop_server(server)
    return found


def table(found: Results, _: Results) -> Tabled:
    rows = []
    for name, each in found.items():
        one, two = median(each["1"]), median(each["2"])
        rows.append((CONTENDERS[name].title, f"{one:,.0f}", f"{two:,.0f}", f"{ratio(two / one)}x"))
    columns = ("server", "1 worker, responses per second", "2 workers", "gain")
    return Tabled("One and two workers, every core shared with load and engines", columns, rows)
