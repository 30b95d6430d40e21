"""Well-behaved clients: as many requests as they get answered, of all kinds."""

import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from tests.outages.asking import Client
from tests.outages.prepare import Prepared
from tests.stage import connection_to, send

RARELY_SECONDS = 2.0
"""Between two logins, and between two pages of the admin: a password's hash takes a core half a second."""
READS = ("read", "read changing") * 8 + ("list", "list", "several", "unknown")
MAX_LATENCIES = 200_000


@dataclass
class Seen:
    """
    What clients were answered in one phase.

    Attributes:
        answers: by operation and status.
        unexplained: errors that do not say why.
    """

    answers: Counter[str] = field(default_factory=Counter)
    unexplained: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)


class Traffic:
    """Threads that ask until they are stopped; `seen` may be exchanged meanwhile."""

    def __init__(self, port: int, prepared: Prepared, clients: int) -> None:
        self.port, self.client = port, Client(prepared)
        self.seen = Seen()
        self._stop = threading.Event()
        of_clients = [(READS, 0.0)] * (clients - 1) + [(("write",), 0.0)]
        of_clients += [(("login",), RARELY_SECONDS), (("admin",), RARELY_SECONDS)]
        self._threads = [threading.Thread(target=self._ask_all_the_time, args=each) for each in of_clients]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def next_phase(self) -> Seen:
        """What was seen since the last phase began."""
        seen, self.seen = self.seen, Seen()
        return seen

    def _ask_all_the_time(self, operations: Sequence[str], pause_seconds: float) -> None:
        connection = connection_to(self.port)
        while not self._stop.wait(pause_seconds):
            name = random.choice(operations)
            answer = self.client.ask_by(partial(send, connection), name, f"nobody_{random.randrange(1_000_000)}")
            seen = self.seen
            if not answer.is_explained:
                seen.unexplained[f"{name} {answer.text}"] += 1
            if not answer.status:
                connection.close()
                continue
            seen.answers[f"{name} {answer.status}"] += 1
            if len(seen.latencies) < MAX_LATENCIES:
                seen.latencies.append(answer.seconds)
        connection.close()
