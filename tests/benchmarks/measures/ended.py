"""Whether a token is still accepted when the end of what it allows has been answered: elsewhere, while it is in use."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.benchmarks.contenders import CONTENDERS
from tests.benchmarks.load.closed_loop import run_closed_loop
from tests.benchmarks.load.wire import Reads
from tests.benchmarks.rows import hot_codes
from tests.benchmarks.server import Server
from tests.benchmarks.session import Session
from tests.torture.stage import StageFailed

WAYS = ("logout", "deactivation", "password")
ROUNDS = 5
READERS = 4
LEAD_SECONDS, AFTER_SECONDS = 0.3, 1.2
"""How long a token is in use before what it allows is ended, and afterwards."""


def measure_ended(session: Session) -> dict[str, dict[str, int]]:
    """
    Read by one token on one server while another server, or Django in another process, ends what it allows.

    Returns:
        For each way to end it, how many reads began after that was answered, and how many of them were accepted.
    """
    stage = session.stage
    read, other = session.servers("lane")["lane"], stage.start_server(CONTENDERS["lane"])
    stage.wait_for(other)
    found = {way: {"reads": 0, "accepted": 0} for way in WAYS}
    with stage.running_module("tests.benchmarks.measures.endings") as endings:
        for number, way in session.turns(WAYS, ROUNDS, "reads by tokens that are ended"):
            name = f"ended_{way}_{number}"
            given = _tell(endings, "sign_in", name)

            def end(by: str = way, whose: str = name, refresh: str = given["refresh"]) -> None:
                if by == "logout":
                    _log_out(other, refresh)
                else:
                    _tell(endings, by, whose)

            reads, accepted = read_on(read, given["token"], end)
            found[way]["reads"] += reads
            found[way]["accepted"] += accepted
    stage.stop_server(other)
    return found


def read_on(server: Server, token: str, end: Callable[[], None]) -> tuple[int, int]:
    """How many reads began after `end` had returned, and how many of them were answered."""

    def end_later() -> float:
        time.sleep(LEAD_SECONDS)
        end()
        return time.perf_counter()

    reads = Reads([token], hot_codes())
    server.warm(reads)
    with ThreadPoolExecutor(1) as beside:
        ending = beside.submit(end_later)
        requests = reads.requests(server.port)
        ran = run_closed_loop(server.port, [requests] * READERS, LEAD_SECONDS + AFTER_SECONDS)
        ended = ending.result()
    begun_after = [each for each in ran.answered if each.sent > ended]
    if not begun_after or not ran.answered[0].is_good:
        raise StageFailed(f"{len(ran.answered)} reads, {len(begun_after)} of them after the token was ended")
    return len(begun_after), sum(each.is_good for each in begun_after)


def _log_out(server: Server, refresh: str) -> None:
    answer = server.ask("", "POST", "/api/v1/auth/logout", {"refresh": refresh})
    if answer.status != 204:
        raise StageFailed(f"a logout was answered {answer.status}: {answer.body[:200]!r}")


def _tell(endings: subprocess.Popen[bytes], way: str, name: str) -> Any:
    assert endings.stdin is not None
    assert endings.stdout is not None
    endings.stdin.write(f"{way} {name}\n".encode())
    endings.stdin.flush()
    return json.loads(endings.stdout.readline())
