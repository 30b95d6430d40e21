"""
`make run`: set up and serve the whole platform, and stop all of it at Ctrl-C.

Engines whose variables are unset are embedded; they, and the web server, end with this process, however it ends. The
variables read here are those that must be known before Django's settings can be loaded.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NoReturn
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from rich.console import Console

from entities.terminal import suit_any_terminal
from pmo.drain import draining_file
from pmo.embedded import ValkeyEndpoint
from pmo.environment import Environment, shown
from pmo.keeper import EnginesUnavailable, Keeper, kept_engines
from pmo.listener import ANY_ADDRESS, Listener, in_url
from pmo.prepare import ADMIN, PreparationFailed, password_file, prepare_platform
from pmo.processes import start_process, stop_process
from pmo.serve import COUNTS_VARIABLE, make_counts_directory, server_command

ROOT = Path(__file__).resolve().parent.parent
START_LIMIT_SECONDS = 60
CHECK_SECONDS = 0.2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ENGINE_NAMES = {"postgres": "PostgreSQL", "valkey": "Valkey"}
OPTIONAL = ("DATABASE_URL", "REDIS_HOST", "REDIS_URL", "REDIS_PORT", "DATA_DIR", "ALLOWED_HOSTS")

console = Console(highlight=False, soft_wrap=True)


class PartEnded(Exception):  # the name is the cause
    """The web server or an embedded engine ended by itself."""


class StopRequested(BaseException):  # not an error
    """Ctrl-C, or another signal to end."""


def main() -> None:
    suit_any_terminal()
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _request_stop)
    try:
        with contextlib.ExitStack() as stack:
            _launch(stack)
    except (ImproperlyConfigured, EnginesUnavailable, PreparationFailed, PartEnded) as failure:
        console.print(str(failure), style="bold red", markup=False)
        sys.exit(1)
    except StopRequested:
        console.print("Stopped.")


def _request_stop(_number: int, _frame: FrameType | None) -> NoReturn:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # once is enough: stopping is not interrupted
    raise StopRequested


def _launch(stack: contextlib.ExitStack) -> NoReturn:
    for name in OPTIONAL:
        if not os.environ.get(name):
            os.environ.pop(name, None)  # an empty variable is an unset one
    listener = Listener.of(os.environ)
    address = listener.find_address()
    directory = Path(os.environ.get("DATA_DIR", ROOT / ".data")).absolute()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"DATA_DIR is {shown(str(directory))}: {error.strerror}.") from None
    os.environ["DATA_DIR"] = str(directory)
    keeper = _keep_engines(directory, stack)
    os.environ.setdefault("LOG_FILE", str(directory / "pmo.log"))
    if listener.host not in ANY_ADDRESS:
        os.environ.setdefault("ALLOWED_HOSTS", f"localhost,127.0.0.1,[::1],{in_url(listener.host)}")
    environment = dict(os.environ)
    prepare_platform(directory, console)
    draining_file(listener.port).unlink(missing_ok=True)
    environment[COUNTS_VARIABLE] = str(make_counts_directory(directory, listener.port))
    command = server_command(replace(listener, host=address))
    web = start_process(command, farewell=signal.SIGTERM, cwd=ROOT, env=environment)
    stack.callback(stop_process, web, signal.SIGTERM)
    _wait_until_answering(listener, address, web)
    parts = {"The web server": web}
    if keeper and keeper.process:
        parts["The embedded engines"] = keeper.process
    _print_links(listener, directory)
    while True:
        _check_running(parts)
        time.sleep(CHECK_SECONDS)


def _keep_engines(directory: Path, stack: contextlib.ExitStack) -> Keeper | None:
    """Have the engines run whose variables are unset."""
    if os.environ.get("ENVIRONMENT") == "production":
        return None  # the settings refuse embedded engines, and say what to set
    engines = [] if "DATABASE_URL" in os.environ else ["postgres"]
    engines += [] if {"REDIS_HOST", "REDIS_URL"} & os.environ.keys() else ["valkey"]
    if not engines:
        return None
    port = Environment(os.environ).whole("REDIS_PORT", ValkeyEndpoint.port, 1, 65_535)
    keeper = stack.enter_context(kept_engines(directory, engines, port))
    whose = "embedded" if keeper.process else "those of another `make run`, and end with it"
    names = " and ".join(ENGINE_NAMES[engine] for engine in engines)
    console.print(f"Engines: {names}, {whose}; data in {directory}", markup=False)
    if "valkey" in engines:
        found = keeper.endpoints.valkey.port
        if found != port and keeper.process:
            console.print(f"Port {port} is taken: Valkey listens on {found}.")
        for name in ("REDIS_PORT", "REDIS_PASSWORD"):
            os.environ.pop(name, None)  # the settings read the port from the data directory
    return keeper


def _wait_until_answering(listener: Listener, address: str, web: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while time.monotonic() < deadline:
        _check_running({"The web server": web})
        connection = http.client.HTTPConnection(urlsplit(listener.url(address)).netloc, timeout=5)
        with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz", headers={"Host": "localhost"})
            connection.getresponse()
            return
        time.sleep(0.05)
    raise PartEnded(f"The web server does not answer after {START_LIMIT_SECONDS} s.")


def _check_running(parts: dict[str, subprocess.Popen[bytes]]) -> None:
    """
    Raises:
        PartEnded: one of them has ended.
    """
    for name, process in parts.items():
        if (status := process.poll()) is not None:
            raise PartEnded(f"{name} ended by itself, with status {status}.")


def _print_links(listener: Listener, directory: Path) -> None:
    from django.conf import settings

    url, password = listener.url(), password_file(directory)
    lines = {
        "API": f"{url}/api/v1/entity/types",
        "API docs": f"{url}/api/docs",
        "Admin": f"{url}/admin/",
        "Health": f"{url}/health",
        "Password": f"user {ADMIN}, first password in {password}" if password.exists() else "as you set it",
        "Redis": _redis_command(settings.REDIS_URL),
        "Log": os.environ["LOG_FILE"] or "on this terminal",
    }
    console.print("\nServing. Ctrl-C stops everything.", style="bold")
    for label, value in lines.items():
        console.print(f"  {label:<9} {value}", markup=False)
    console.print()


def _redis_command(url: str) -> str:
    """What shows an entry to a person; behind Sentinel, who has it."""
    from cache_layer.location import Location

    location = Location.of(url)
    host, port = location.addresses[0]
    if location.kind == "sentinel":
        return f"redis-cli -h {host} -p {port} SENTINEL GET-MASTER-ADDR-BY-NAME {location.path.partition('/')[0]}"
    return f'redis-cli {"-c " if location.kind else ""}-h {host} -p {port} GET "entity:metadata:project"'


if __name__ == "__main__":
    main()
