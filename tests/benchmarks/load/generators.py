"""Load generators: wrk if it is there, else one in Python. Both keep their connections busy all the time."""

import json
import math
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.benchmarks.load.loops import Load, run_closed_loop
from tests.benchmarks.load.wire import Reads

SCRIPT = Path(__file__).parent / "reads.lua"


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
        return run_closed_loop(port, [reads.requests(port)] * connections, seconds)


Generator = Wrk | Bundled


def find_generator() -> Generator:
    return Wrk() if shutil.which(Wrk.name) else Bundled()
