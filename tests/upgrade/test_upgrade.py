"""The last release's servers are replaced by this tree's, and back, under load: nothing is stale, nothing is lost."""

import json
import re
import sys
import tarfile
import time
from itertools import count
from pathlib import Path
from time import monotonic_ns

import pytest

from tests import ROOT
from tests.acceptance.conftest import PASSWORD, Program, Staff
from tests.conftest import hashed
from tests.fields.conftest import make_next_release
from tests.stage import StageFailed, ask, is_answering
from tests.torture.plan import STOPPED, Plan
from tests.torture.records import Window, Write, label_of, read_writes
from tests.torture.run import run_on
from tests.torture.stage import METRICS_TOKEN, Stage, prepared_stage

OLD, NEW = 0, 1
MIGRATE = """
import django
django.setup()
from django.core.management import call_command
call_command("makemigrations", "entities", name="remark", verbosity=0)
call_command("migrate", verbosity=0)
call_command("seed_entities")
"""
ATTEMPTS = 5
BEFORE, AFTERWARDS = 0, sys.maxsize
INSERT_STAFF = """
    INSERT INTO auth_user (username, password, is_staff, is_superuser, is_active, first_name, last_name, email,
    date_joined) VALUES ('staff', %s, true, true, true, '', '', '', now())
"""
CACHED = {"L1", "L2"}
OF_THE_LOAD = {"HitRatioLow"}
"""Problems that so many writes to so few entries are, whoever serves."""


[KEPT] = Path(__file__).parent.glob("*.tar.xz")
"""What the last release shipped, but for its static files: `make keep` has put it here."""


def unpack_last_release(tree: Path) -> None:
    """Fill a folder."""
    with tarfile.open(KEPT) as opened:
        opened.extraction_filter = getattr(tarfile, "data_filter", None)  # Python 3.11.4
        opened.extractall(tree)


class Upgrade:
    """
    What happens while both releases' servers are read from and written to.

    The new one has a field `remark` that the old one does not know.

    Attributes:
        windows: when a server was being started or stopped, or was away.
        both: when both served.
        problems: what health pages and counters of the servers complained of.
    """

    def __init__(self, stage: Stage, pause_seconds: float) -> None:
        self.windows: list[Window] = []
        self.both: list[Window] = []
        self.problems: list[str] = []
        self._stage, self._pause_seconds = stage, pause_seconds
        self._urls = [f"http://127.0.0.1:{port}" for port in stage.ports]
        self._remark, self._numbers = "", count()
        stage.database.execute(INSERT_STAFF, [hashed(PASSWORD)])
        self._program, self._staff = Program(self._urls[OLD]), Staff(self._urls[OLD])

    def run(self, _: int) -> None:
        """The way there and back; then the load ends."""
        self._serve(OLD)
        self._migrate()
        self._start(NEW, BEFORE)
        self._serve(OLD, NEW)
        away = self._stop(OLD)
        Program(self._urls[NEW])  # by the password of before
        self._serve(NEW)
        self._start(OLD, away)
        self._serve(NEW, OLD)
        self.windows.append(Window(STOPPED, self._stop(NEW), AFTERWARDS, NEW))
        self._serve(OLD)
        self._stage.end_load()

    def _migrate(self) -> None:
        """By the new release, beside the old server; it may be started again where a table was locked for too long."""
        for attempt in range(ATTEMPTS):
            try:
                self._stage.run([sys.executable, "-c", MIGRATE])
            except StageFailed:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                self._stage.orders.migrated.touch()
                return

    def _serve(self, *numbers: int) -> None:
        """For some time; who came before is known, and what one server changes all of them have."""
        begun = monotonic_ns()
        urls = [self._urls[number] for number in numbers]
        for number in numbers:
            url, label = self._urls[number], f"change {next(self._numbers)}"
            self._staff.url = url
            self._staff.rename("office", label)
            self._program.renew_tokens(url)
            self._program.create(url, code := label.replace(" ", "_"))
            self._program.change(url, "task", label=label)
            if number == NEW:
                self._remark = label
                self._program.change(url, "task", remark=label)
            for each in urls:
                office, task = (self._program.read(each, code).body for code in ("office", "task"))
                assert office["label"] == task["label"] == label
                assert self._program.read(each, code).body["label"] == code
                assert task.get("remark") == (self._remark if each == self._urls[NEW] else None)
        time.sleep(self._pause_seconds)
        for url in urls:
            sources = [self._program.read(url, "project").source for _ in range(2)]  # which nobody changes
            assert sources[0] in CACHED | {"DB"}, "what the other release has cached can be replaced"
            assert sources[1] in CACHED
            self._look_for_problems(int(url.rpartition(":")[2]))
        if len(numbers) > 1:
            self.both.append(Window("", begun, monotonic_ns()))

    def _start(self, number: int, away_ns: int) -> None:
        self._stage.replace_server(number)
        self._stage.wait_until(lambda: is_answering(self._stage.ports[number]), self._stage.servers[number])
        self.windows.append(Window(STOPPED, away_ns, monotonic_ns(), number))

    def _stop(self, number: int) -> int:
        begun = monotonic_ns()
        self._stage.stop_server(number)
        return begun

    def _look_for_problems(self, port: int) -> None:
        named = [problem["name"] for problem in json.loads(ask(port, "GET", "/health").body)["problems"]]
        self.problems += [f"{port}: {name}" for name in named if name not in OF_THE_LOAD]
        counted = ask(port, "GET", "/metrics", METRICS_TOKEN).body.decode()
        refused = re.search(r"^cache_refused_values_total (\S+)$", counted, re.MULTILINE)
        if not refused or float(refused[1]):
            self.problems.append(f"{port}: refused {refused and refused[1]} values")

    # --- Afterwards ---

    def acknowledged(self) -> list[Write]:
        """Of entity types."""
        return [write for write in self._writes(self._stage.plan.writers) if write.acknowledged]

    def refused(self) -> list[Write]:
        """Neither acknowledged, nor rolled back on purpose, nor sent to a server that was away or going away."""
        failed = [
            write
            for write in self._writes(len(self._stage.plan.kinds))
            if not write.acknowledged and write.outcome != "rolled-back"
        ]
        return [write for write in failed if re.match(r"failed:\d", write.outcome) or not self._is_excused(write)]

    def _writes(self, slots: int) -> list[Write]:
        return [write for slot in range(slots) for write in read_writes(self._stage.orders.log_of(slot))]

    def _is_excused(self, write: Write) -> bool:
        return any(
            window.target == write.server and window.touches(write.started, write.ended or write.started)
            for window in self.windows
        )


INCIDENTS = """
    SELECT name FROM cache_layer_incident
    WHERE name <> ALL (%s)
    AND (name <> 'RelayNotWorking' OR seen_ts - began_ts > interval '2 minutes')  -- else it is only being taken over
"""


def test_the_release_that_is_kept_is_the_last_one() -> None:
    """Or the one before, while the changes of the next one are being written down."""
    released = re.findall(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert KEPT.name.removesuffix(".tar.xz") in released[:2], "make keep RELEASE=..."


@pytest.mark.parametrize("pause_seconds", [0.4, pytest.param(5, marks=pytest.mark.proof)])
def test_beside_and_after_the_last_release_nothing_is_stale_refused_or_lost(
    tmp_path: Path, pause_seconds: float
) -> None:
    last, this = tmp_path / "last", tmp_path / "this"
    for folder in (last, this):
        folder.mkdir()
    unpack_last_release(last)
    make_next_release(this)  # with one more field, so that there are another document and a migration
    plan = Plan(
        seconds=300,  # at most
        faults=frozenset({"rollback", "bulk", "raw"}),
        servers=2,
        writers=3,
        readers=4,
        people=1,
        people_readers=4,
        rest_ms=20,
        lease_ms=50,
        quiet_writes=0,
    )
    with prepared_stage(plan, tmp_path, (last, this)) as stage:
        upgrade = Upgrade(stage, pause_seconds)
        outcome = run_on(stage, upgrade)
        assert outcome.broken_coherence() == [], "\n".join(outcome.verdict.examples + outcome.rights.examples)
        assert [reason for reason in outcome.failures if not reason.endswith("(server down)")] == []
        assert (upgrade.refused(), upgrade.problems) == ([], [])
        acknowledged = upgrade.acknowledged()
        in_history = {label for (label,) in stage.database.execute("SELECT label FROM app.entity_event")}
        assert {label_of(write.version) for write in acknowledged} - in_history == set()
        assert stage.database.execute(INCIDENTS, [[*OF_THE_LOAD]]).fetchall() == []
        beside = [
            write.server
            for write in acknowledged
            if any(both.touches(write.started, write.started) for both in upgrade.both)
        ]
        assert min(beside.count(OLD), beside.count(NEW)) > 0
        assert {"patch", "save", "raw-driver"} <= outcome.verdict.kinds_of_writes.keys()
        assert {"L1", "L2"} <= outcome.verdict.sources.keys()
        assert min(outcome.rights.accepted, outcome.rights.refused) > 0
