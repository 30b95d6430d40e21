"""Which processes stand by to relay."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from cache_layer import wsgi
from tests.servers import ROOT, relaying_process, worker_environment
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("committed_db")

PREFORKING = """
import os, signal, time, pmo.wsgi
from cache_layer.metrics import RELAY_WORKING
while not RELAY_WORKING._value.get():
    time.sleep(0.01)
if not os.fork():
    deadline = time.monotonic() + 5
    while RELAY_WORKING._value.get() and time.monotonic() < deadline:
        time.sleep(0.01)
    print(os.getpid(), RELAY_WORKING._value.get(), flush=True)
signal.pause()
"""


@pytest.mark.parametrize("relay", [True, False])
def test_web_processes_stand_by_unless_told_not_to(
    monkeypatch: pytest.MonkeyPatch, set_options: Callable[..., None], relay: bool
) -> None:
    started: list[str] = []
    monkeypatch.setattr(wsgi, "run_in_background", lambda name, _: started.append(name))
    for other in ("start_reporting", "warn_of_far_servers"):
        monkeypatch.setattr(wsgi, other, lambda: None)
    set_options(relay=relay)
    wsgi.serve(lambda *_: [])
    assert ("cache-relay" in started) is relay


@pytest.mark.parametrize("pool_size", [2, pytest.param(0, marks=pytest.mark.proof)])
def test_a_forked_child_takes_over_when_its_parent_is_killed(pool_size: int) -> None:
    environment = worker_environment() | {"DATABASE_POOL_SIZE": str(pool_size)}
    command = [sys.executable, "-c", PREFORKING]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=-1, text=True) as parent:
        assert parent.stdout
        processes = [parent.pid]
        try:
            child, working = map(float, parent.stdout.readline().split())
            processes.append(int(child))
            assert (working, relaying_process()) == (0, parent.pid), "the parent relays"
            parent.kill()
            wait_for(lambda: relaying_process() == child, seconds=2)
        finally:
            for process in processes:
                os.kill(process, signal.SIGKILL)
