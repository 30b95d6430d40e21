"""Well-behaved clients: as many requests as they get answered, of all kinds."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.outages.prepare import PASSWORD, USERNAME, Prepared

PATIENCE_SECONDS = 15
RARELY_SECONDS = 2.0
"""Between two logins, and between two pages of the admin: a password's hash takes a core half a second."""
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

    def __init__(self, port: int, prepared: Prepared, codes: list[str], clients: int) -> None:
        self.port, self.codes = port, codes
        self.seen = Seen()
        self._stop = threading.Event()
        self._token = {"Authorization": f"Bearer {prepared.token}", "Content-Type": "application/json"}
        self._session = {"Cookie": f"sessionid={prepared.session}"}
        kinds: list[Callable[[random.Random], tuple[str, str, str, str]]]
        kinds = [self._choose_read] * (clients - 1) + [self._choose_write]
        self._threads = [threading.Thread(target=self._ask_all_the_time, args=(kind, 0.0)) for kind in kinds]
        for rare in (self._login, self._admin):
            self._threads.append(threading.Thread(target=self._ask_all_the_time, args=(rare, RARELY_SECONDS)))

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

    def _ask_all_the_time(
        self, choose: Callable[[random.Random], tuple[str, str, str, str]], pause_seconds: float
    ) -> None:
        rng = random.Random()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        while not self._stop.wait(pause_seconds):
            name, method, path, body = choose(rng)
            headers = self._session if name == "admin" else self._token
            begun = time.monotonic()
            try:
                connection.request(method, path, body or None, headers)
                response = connection.getresponse()
                text = response.read().decode()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self.seen.unexplained[f"{name}: {type(error).__name__}"] += 1
                continue
            self._note(name, response.status, text, time.monotonic() - begun)
        connection.close()

    def _note(self, name: str, status: int, text: str, seconds: float) -> None:
        seen = self.seen
        seen.answers[f"{name} {status}"] += 1
        if len(seen.latencies) < MAX_LATENCIES:
            seen.latencies.append(seconds)
        expected = 404 if name == "unknown" else 200
        if status != expected and not (status == 503 and ('"code"' in text or "Not available" in text)):
            seen.unexplained[f"{name} {status}"] += 1

    def _choose_read(self, rng: random.Random) -> tuple[str, str, str, str]:
        code = rng.choice(self.codes)
        kind = rng.random()
        if kind < 0.80:
            return "read", "GET", f"/api/v1/entity/type/{code}", ""
        if kind < 0.90:
            return "list", "GET", "/api/v1/entity/types", ""
        if kind < 0.95:
            return "several", "GET", f"/api/v1/entity/types?codes={code},{self.codes[0]}", ""
        return "unknown", "GET", f"/api/v1/entity/type/nobody_{rng.randrange(1_000_000)}", ""

    def _choose_write(self, rng: random.Random) -> tuple[str, str, str, str]:
        label = json.dumps({"label": f"Label {rng.randrange(1_000_000)}"})
        return "write", "PATCH", f"/api/v1/entity/{rng.choice(self.codes)}", label

    def _login(self, _: random.Random) -> tuple[str, str, str, str]:
        return "login", "POST", "/api/v1/auth/login", json.dumps({"username": USERNAME, "password": PASSWORD})

    def _admin(self, _: random.Random) -> tuple[str, str, str, str]:
        return "admin", "GET", "/admin/entities/entity/", ""
