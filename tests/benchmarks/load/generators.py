"""Load generators: wrk if it is there, else one in Python. Both keep their connections busy all the time."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.load.closed_loop import run_closed_loop
from tests.benchmarks.load.wire import Reads
from tests.figures import quantile

SCRIPT = Path(__file__).parent / "reads.lua"


@dataclass(frozen=True)
class Load:
    """
    What a server answered.

    Attributes:
        errors: answers that were not 2xx or 3xx, and connections that broke.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


class Wrk:
    """https://github.com/wg/wrk, with one thread."""

    name = "wrk"

    def run(self, port: int, reads: Reads, seconds: float, connections: int) -> Load:
        """Read for so long, on every connection again as soon as it has its answer."""
        with tempfile.NamedTemporaryFile("w", prefix="pmo-reads-") as drawn_from:
            drawn_from.writelines(f"code {code}\n" for code in reads.codes)
            drawn_from.writelines(f"token {token}\n" for token in reads.tokens)
            drawn_from.flush()
            command = [self.name, "-t1", f"-c{connections}", f"-d{max(1, math.ceil(seconds))}s", "-s", str(SCRIPT)]
            command += [f"http://127.0.0.1:{port}", "--", drawn_from.name]
            command += ["none" if reads.seed is None else str(reads.seed)]
            ended = subprocess.run(command, capture_output=True, text=True, check=True)
        return Load(**json.loads(ended.stdout.strip().splitlines()[-1]))


class Bundled:
    """A client of our own. It costs more than wrk: where it, not the server, is the limit, ratios shrink."""

    name = "the bundled client (wrk was not there)"

    def run(self, port: int, reads: Reads, seconds: float, connections: int) -> Load:
        requests = reads.requests(port)
        ran = run_closed_loop(port, [requests] * connections, seconds)
        p50, p99 = (quantile([each.milliseconds for each in ran.answered], share) for share in (0.5, 0.99))
        return Load(len(ran.answered), ran.seconds, p50, p99, ran.errors)


Generator = Wrk | Bundled


def find_generator() -> Generator:
    return Wrk() if shutil.which(Wrk.name) else Bundled()
