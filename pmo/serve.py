"""
`python -m pmo.serve`: serve the platform under Granian, with the options chosen here.

`make run` and the container image both start it. HOST, PORT and WORKERS come from the environment.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from pmo.listener import InvalidListener, Listener

OPTIONS = {
    "interface": "wsgi",
    "factory": None,
    "http": "1",
    # A request may wait for the database, a drain or another's fill: more threads than cores. Each may need a database
    # connection, and DATABASE_POOL_SIZE is 8.
    "blocking-threads": "8",
    # Connections that a worker keeps open; those that the threads have no time for yet wait inside.
    "backlog": "2048",
    "backpressure": "1024",
    # A worker that died is replaced; Granian ends if one dies again at once.
    "respawn-failed-workers": None,
    # Stopping is patient, not endless.
    "workers-kill-timeout": "5",
    # The application logs what happens; Granian only errors (not that 8 threads are many for 2 cores).
    "log-level": "error",
}


def server_command(listener: Listener) -> list[str]:
    """The command line that serves there; the host must be a numeric address."""
    command = [sys.executable, "-m", "granian", "pmo.serve:load_application"]
    chosen = OPTIONS | {"host": listener.host, "port": str(listener.port), "workers": str(listener.workers)}
    for name, value in chosen.items():
        command += [f"--{name}"] if value is None else [f"--{name}", value]
    return command


def load_application() -> Callable[..., Any]:
    """The application, loaded in a worker process that can be stopped meanwhile."""
    # Granian forks its workers with its own signal handlers, which do nothing in them, and sets theirs after loading.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    from pmo.wsgi import application

    return application


def main() -> None:
    try:
        listener = Listener.of(os.environ)
    except InvalidListener as error:
        sys.exit(str(error))
    os.execv(sys.executable, server_command(listener))  # noqa: S606


if __name__ == "__main__":
    main()
