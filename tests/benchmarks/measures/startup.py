"""From starting Granian to the first 200 on `/healthz`."""

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

    def start(_: int, name: str) -> dict[str, float]:
        begun = time.perf_counter()
        server = session.start_contender(CONTENDERS[name])
        taken = round(time.perf_counter() - begun, 3)
        session.stop_server(server)
        return {"seconds": taken}

    return {name: found["seconds"] for name, found in session.take_turns(STARTED, TIMES, "start", start).items()}


def table(found: Results, _: Results) -> Tabled:
    rows = [(CONTENDERS[name].title, *spread(taken, 2)) for name, taken in found.items()]
    return Tabled("From start to the first answer, one worker", ("server", "seconds", "range"), rows)
