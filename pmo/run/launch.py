"""
`make run`: set up and serve the whole platform, and stop all of it at Ctrl-C.

Engines whose variables are unset are embedded; like the web server they end with this process, however it ends. A part
that exits by itself is restarted alone, unless it keeps exiting. The variables read here are those needed before
Django's settings can be loaded.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from django.core.exceptions import ImproperlyConfigured
from rich.console import Console

from entities.management.terminal import suit_any_terminal
from pmo.environment.hosts import in_url
from pmo.environment.listener import ANY_ADDRESS, Listener
from pmo.environment.variables import COUNTS_VARIABLE, Environment, shown
from pmo.run.embedded import ENGINES, VALKEY_PORT, keep_or_join_engines
from pmo.run.engines.engine import Engine
from pmo.run.prepare import ADMIN, password_file, prepare_platform
from pmo.run.restarts import DidNotStart, Part
from pmo.run.web_server import WebServer
from pmo.serve import forget_earlier

ROOT = Path(__file__).resolve().parents[2]
CHECK_SECONDS = 0.2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

console = Console(highlight=False, soft_wrap=True)


def main() -> None:
    suit_any_terminal()
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _request_stop)
    try:
        with contextlib.ExitStack() as stack:
            _launch(stack)
    except (ImproperlyConfigured, DidNotStart) as failure:
        console.print(str(failure), style="bold red", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        console.print("Stopped.")


def _request_stop(_number: int, _frame: FrameType | None) -> NoReturn:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # one signal is enough: shutdown is not interrupted
    raise KeyboardInterrupt


def _launch(stack: contextlib.ExitStack) -> NoReturn:
    listener = Listener.of(os.environ)
    bound = listener.find_free()
    directory = Path(os.environ.get("DATA_DIR") or ROOT / ".data").absolute()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"DATA_DIR is {shown(str(directory))}: {error.strerror}.") from None
    os.environ["DATA_DIR"] = str(directory)
    engines = _keep_engines(directory, stack)
    os.environ.setdefault("LOG_FILE", str(directory / "pmo.log"))
    if listener.host not in ANY_ADDRESS and not os.environ.get("ALLOWED_HOSTS"):
        os.environ["ALLOWED_HOSTS"] = f"localhost,127.0.0.1,[::1],{in_url(listener.host)}"
    environment = dict(os.environ)
    prepare_platform(directory, console)
    environment[COUNTS_VARIABLE] = str(forget_earlier(directory, listener.port))
    parts: list[Part] = [stack.enter_context(WebServer(bound, environment)), *engines]
    _print_links(listener, directory)
    while True:
        for part in parts:
            part.check()
        time.sleep(CHECK_SECONDS)


def _keep_engines(directory: Path, stack: contextlib.ExitStack) -> list[Engine]:
    """Start the engines whose variables are unset; returns those to be checked."""
    if os.environ.get("ENVIRONMENT") == "production":
        return []  # the settings refuse embedded engines and say what to set
    engines = [] if os.environ.get("DATABASE_URL") else ["postgres"]
    engines += [] if os.environ.get("REDIS_HOST") or os.environ.get("REDIS_URL") else ["valkey"]
    if not engines:
        return []
    port = Environment(os.environ).whole("REDIS_PORT", VALKEY_PORT, 1, 65_535)
    try:
        endpoints, ours = keep_or_join_engines(stack, directory, engines, port)
    except OSError as error:
        raise DidNotStart(f"The embedded engines: {error}") from error
    whose = "embedded" if ours else "those of another `make run`, and end with it"
    names = " and ".join(ENGINES[engine].name for engine in engines)
    console.print(f"Engines: {names}, {whose}; data in {directory}", markup=False)
    if "valkey" in engines:
        found = endpoints.valkey_port
        if found != port and ours:
            console.print(f"Port {port} is taken: Valkey listens on {found}.")
        for name in ("REDIS_PORT", "REDIS_PASSWORD"):
            os.environ.pop(name, None)  # the settings read the port from the data directory
    return ours


def _print_links(listener: Listener, directory: Path) -> None:
    from django.conf import settings

    url, password = listener.url(), password_file(directory)
    lines = {
        "Start": f"{url}/",
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
    """A command that shows an entry; behind Sentinel, one that finds the primary."""
    from cache_layer import Location

    location = Location.of(url)
    host, port = location.addresses[0]
    if location.kind == "sentinel":
        return f"redis-cli -h {host} -p {port} SENTINEL GET-MASTER-ADDR-BY-NAME {location.path.partition('/')[0]}"
    return f'redis-cli {"-c " if location.kind else ""}-h {host} -p {port} GET "entity:metadata:project"'


if __name__ == "__main__":
    main()
