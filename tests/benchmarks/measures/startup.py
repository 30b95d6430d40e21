"""How long a new server takes until it answers."""

from __future__ import annotations

import time

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.session import Session

STARTED = ("classic", "lane")
TIMES = 3


def measure_startup(session: Session) -> dict[str, list[float]]:
    """Seconds from starting Granian with one worker to the first answer on /healthz, for each contender."""
    taken: dict[str, list[float]] = {name: [] for name in STARTED}
    for _, name in session.turns(STARTED, TIMES, "start"):
        begun = time.perf_counter()
        server = session.stage.start_server(CONTENDERS[name])
        session.stage.wait_for(server)
        taken[name].append(round(time.perf_counter() - begun, 3))
        session.stage.stop_server(server)
    return taken
