"""Which processes stand by to relay."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from tests.servers import ROOT, relaying_process, worker_environment
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("committed_db")

EACH = """
import json, os, sys, threading, tests.forked
for number, (program, environment) in enumerate(json.loads(sys.argv[1])):
    if os.fork() == 0:
        os.environ |= environment
        exec(program)
        names = " ".join(thread.name for thread in threading.enumerate())
        os.write(1, f"{number} {names}\\n".encode())
        os._exit(0)
    os.wait()
"""
PREFORKING = """
import os, signal, sys, time, pmo.wsgi
from cache_layer.metrics import RELAY_WORKING
sys.stdin.readline()
while not RELAY_WORKING._value.get():
    time.sleep(0.01)
if not os.fork():
    deadline = time.monotonic() + 5
    while RELAY_WORKING._value.get() and time.monotonic() < deadline:
        time.sleep(0.01)
    print(os.getpid(), RELAY_WORKING._value.get(), flush=True)
signal.pause()
"""


def test_web_processes_stand_by_unless_told_not_to() -> None:
    command = "import django; django.setup(); django.core.management.call_command('check')"
    processes: list[tuple[str, dict[str, str]]] = [
        ("import pmo.wsgi", {}),
        ("import pmo.wsgi", {"CACHE_RELAY": "false"}),
        (command, {}),
    ]
    done = subprocess.run(
        [sys.executable, "-c", EACH, json.dumps(processes)],
        cwd=ROOT,
        env=worker_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    said = [line.split() for line in done.stdout.splitlines() if line[:1] in ("0", "1", "2")]
    assert [(number, "cache-relay" in names) for number, *names in said] == [("0", True), ("1", False), ("2", False)]


@pytest.mark.parametrize("pool_size", [2, pytest.param(0, marks=pytest.mark.proof)])
def test_a_forked_child_takes_over_from_its_parent_when_that_is_killed(pool_size: int) -> None:
    environment = worker_environment() | {"DATABASE_POOL_SIZE": str(pool_size)}
    with subprocess.Popen(
        [sys.executable, "-c", PREFORKING], cwd=ROOT, env=environment, stdin=-1, stdout=-1, text=True
    ) as parent:
        assert parent.stdin
        assert parent.stdout
        processes = [parent.pid]
        try:
            wait_for(lambda: relaying_process() == parent.pid)
            parent.stdin.write("\n")
            parent.stdin.flush()
            child, working = map(float, parent.stdout.readline().split())
            processes.append(int(child))
            assert working == 0, "its parent does"
            parent.kill()
            wait_for(lambda: relaying_process() == child, seconds=2)
        finally:
            for process in processes:
                os.kill(process, signal.SIGKILL)
