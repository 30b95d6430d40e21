"""Short versions of `make torture`: they find nothing wrong with ours, and can find what is wrong."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.platform.running import processes_of, wait_until_nothing_runs_on
from tests.torture.plan import Plan
from tests.torture.run import run_torture
from tests.waiting import wait_for

START_LIMIT_SECONDS = 90
STOP_LIMIT_SECONDS = 30


def test_for_some_seconds_no_read_is_stale_and_nothing_is_left_running(tmp_path: Path) -> None:
    directory = tmp_path / "kept"
    plan = Plan(
        seconds=4,
        faults=frozenset({"flushdb", "rollback", "bulk", "raw"}),
        servers=2,
        writers=5,
        readers=6,
        people=2,
        people_readers=4,
        lease_ms=100,  # what does not wait is seen
        quiet_writes=0,
    )
    outcome = run_torture(plan, keep=directory)
    assert outcome.broken_coherence() == [], "\n".join(outcome.verdict.examples + outcome.rights.examples)
    assert {window.fault for window in outcome.windows} == {"flushdb"}
    assert {"patch", "save", "raw-driver"} <= outcome.verdict.kinds_of_writes.keys()
    assert {"L1", "L2", "DB", "BYPASS"} <= outcome.verdict.sources.keys()
    assert outcome.verdict.writes["acknowledged"] > 10
    assert outcome.verdict.reads > 200
    assert outcome.rights.ended_while_used.total() > 0
    assert min(outcome.rights.accepted, outcome.rights.refused, outcome.rights.uses_after_end.total()) > 10
    assert processes_of(directory) == []


@pytest.mark.proof
def test_the_classic_algorithm_is_found_to_be_stale() -> None:
    outcome = run_torture(
        Plan(seconds=6, faults=frozenset({"kill-redis"}), algorithm="classic", servers=2, quiet_writes=0)
    )
    assert outcome.verdict.stale > 0
    assert not outcome.failures


@pytest.mark.proof
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_running(blow: signal.Signals, tmp_path: Path) -> None:
    directory = tmp_path / "kept"
    options = ["--servers=1", "--faults=raw", "--quiet-writes=0", f"--keep={directory}"]
    command = [sys.executable, "-m", "tests.torture", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as harness:
        try:
            wait_for(lambda: any(directory.glob("*/writer-*.log")), START_LIMIT_SECONDS)
            assert len(processes_of(directory)) > 10
        finally:
            harness.send_signal(blow)
        assert harness.wait(STOP_LIMIT_SECONDS) in (130, -signal.SIGKILL)
    wait_until_nothing_runs_on(directory)
