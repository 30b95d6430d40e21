"""From starting Granian to the first 200 on `/healthz`."""

from __future__ import annotations

import time

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.session import Session
from tests.benchmarks.tables import Results, Tabled, spread

SUMMARY = "until a new server answers"
HEADING = "Start"

STARTED = ("classic", "lane")
TIMES = 3


def measure(session: Session) -> dict[str, list[float]]:
    """Seconds from starting Granian with one worker to the first answer on /healthz, for each contender."""
    taken: dict[str, list[float]] = {name: [] for name in STARTED}
    for _, name in session.turns(STARTED, TIMES, "start"):
        begun = time.perf_counter()
        server = session.stage.start_contender(CONTENDERS[name])
        taken[name].append(round(time.perf_counter() - begun, 3))
        session.stage.stop_server(server)
    return taken


def table(found: Results, _: Results) -> Tabled:
    rows = [(CONTENDERS[name].title, *spread(taken, 2)) for name, taken in found.items()]
    return Tabled("From start to the first answer, one worker", ("server", "seconds", "range"), rows)
