"""How long a new server takes until it answers."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.benchmarks.contenders import Contender
from tests.benchmarks.stage import Stage


def measure_startup(stage: Stage, contenders: Sequence[Contender], *, times: int) -> dict[str, list[float]]:
    """Seconds from starting Granian with one worker to the first answer on /healthz, for each contender."""
    taken: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for _ in range(times):
        for contender in contenders:
            begun = time.perf_counter()
            server = stage.start_server(contender)
            stage.wait_for(server)
            taken[contender.name].append(round(time.perf_counter() - begun, 3))
            stage.stop_server(server)
    return taken
