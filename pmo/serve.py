"""
`python -m pmo.serve`: serve the platform under Granian with the options chosen here.

Used by `make run` and the container image. HOST, PORT and WORKERS come from the environment.
"""

import importlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from pmo.drain import draining_file
from pmo.environment.listener import Listener
from pmo.environment.variables import COUNTS_VARIABLE
from pmo.processes import ending_with_parent

OPTIONS = {
    "interface": "wsgi",
    "factory": None,
    "http": "1",
    # A request may wait for the database, a drain or another's fill, so more threads than cores. Each may need a
    # database connection, and DATABASE_POOL_SIZE is 8.
    "blocking-threads": "8",
    # Connections a worker keeps open; those without a free thread wait inside.
    "backlog": "2048",
    "backpressure": "1024",
    # Replace dead workers; Granian exits if one dies again at once.
    "respawn-failed-workers": None,
    # Shutdown is patient, not endless.
    "workers-kill-timeout": "5",
    # The application does the logging; Granian only logs errors (not that 8 threads are many for 2 cores).
    "log-level": "error",
}


def server_command(listener: Listener) -> list[str]:
    """The command line that serves this listener; its host must be a numeric address."""
    command = [sys.executable, "-m", "granian", "pmo.serve:load_application"]
    chosen = OPTIONS | {"host": listener.host, "port": str(listener.port), "workers": str(listener.workers)}
    for name, value in chosen.items():
        command += [f"--{name}"] if value is None else [f"--{name}", value]
    return command


def load_application() -> Callable[..., Any]:
    """The application, loaded in a worker process that can be stopped while loading."""
    # Granian's forked workers inherit handlers that do nothing there; it installs their own only after loading.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    if end_with_parent := ending_with_parent(signal.SIGTERM, os.getppid()):
        end_with_parent()  # else the workers of a killed Granian go on serving and keep its port
    from pmo.wsgi import application

    return application


def forget_earlier(data: Path, port: int) -> Path:
    """
    Forget what an earlier server on this port has left.

    Returns:
        An empty directory where the server's processes leave their counts: below `data` if that is writable.
    """
    draining_file(port).unlink(missing_ok=True)
    directory = data / f"metrics-{port}"
    try:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="pmo-metrics-"))
    return directory


def main() -> None:
    try:
        listener = Listener.of(os.environ).find_free()
        # Once, before there are workers, which would each fail, repeatedly.
        settings = importlib.import_module(os.environ.get("DJANGO_SETTINGS_MODULE") or "pmo.settings")
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    counts = forget_earlier(settings.DATA_DIR, listener.port)
    os.environ.setdefault(COUNTS_VARIABLE, str(counts))
    os.execv(sys.executable, server_command(listener))  # noqa: S606


if __name__ == "__main__":
    main()
