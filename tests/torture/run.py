"""One run, from empty directories to the verdict."""

import contextlib
import pickle
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns, time_ns
from typing import Protocol

from redis.exceptions import RedisError

from tests.figures import quantile
from tests.stage import connection_to, send
from tests.torture.faults import Injector
from tests.torture.judge import Commit, History, Verdict, judge
from tests.torture.plan import CALM_CODE, QUIET_CODE, STOPPED, Plan
from tests.torture.records import ReadLog, Window, Write, label_of, read_uses, read_writes
from tests.torture.rights import RightsVerdict, judge_rights
from tests.torture.stage import Stage, prepared_stage
from tests.torture.tokens import read_tokens

CONVERGENCE_SECONDS, CONVERGENCE_STEP_SECONDS = 2.0, 0.1
"""How soon after the end of the load and of all faults everything must show the committed rows; how often we look."""
OUTAGE_MARGIN_NS = 500_000_000
TOKENS_CHECKED = 40
WARM_UP_WRITES = 5
RELAY_LIMIT_MS = 80
"""How late raw SQL may be seen at most (p99), when the copies in memory have reached the end of their leases."""
ENOUGH_RAW_CHANGES = 100


@dataclass
class Outcome:
    """
    What a run came to.

    Attributes:
        rights: the judgement of people's tokens and permissions.
        not_converged: keys whose committed row something else was shown for: "where: key"; and tokens that a server
            accepted or refused wrongly.
        audited: what `audit_cache` said.
        failures: reads without an answer or with another than 200, by reason; those from a server that was being killed
            or restarted just then have "(server down)" after it.
        quiet_write_ms: how long a PATCH took with nothing else going on.
    """

    plan: Plan
    verdict: Verdict
    rights: RightsVerdict
    seconds: float
    windows: list[Window]
    not_converged: list[str]
    audited: str
    audit_mismatches: int
    failures: Counter[str]
    quiet_write_ms: list[float] = field(default_factory=list)
    loaded_write_ms: list[float] = field(default_factory=list)

    def broken_promises(self) -> list[str]:
        """What was promised and not kept; for the classic algorithm, nothing is."""
        if self.plan.algorithm != "ours":
            return []
        broken = self.broken_coherence()
        limit_ms = RELAY_LIMIT_MS + self.plan.lease_ms
        for name, lags in (
            ("", self.verdict.behind_django.calm_lags_ms),
            (" of people", self.rights.behind_django.calm_lags_ms),
        ):
            p99 = quantile(lags, 0.99)
            if len(lags) >= ENOUGH_RAW_CHANGES and p99 >= limit_ms:
                broken.append(f"raw SQL{name} was seen late: p99 {p99:.0f} ms, promised are {limit_ms} ms")
        return broken

    def broken_coherence(self) -> list[str]:
        """The same without what a slow machine alone may break."""
        found = self.verdict
        counts = {
            "stale reads against Django writes": found.stale,
            "inversions under a hold": found.inversions,
            "reads of versions that were never committed": found.phantoms,
            "acknowledged writes that were lost": found.lost_writes,
            "uses of tokens and permissions accepted after their end": self.rights.stale,
            "uses of tokens and permissions refused before their end": self.rights.phantoms,
            f"keys not converged after {CONVERGENCE_SECONDS:.0f} s": len(self.not_converged),
            "mismatches found by the audit": self.audit_mismatches,
        }
        return [f"{count} {name}" for name, count in counts.items() if count]


def run_torture(plan: Plan, *, keep: Path | None = None) -> Outcome:
    """
    Run `plan` on engines of its own, with its faults, and judge.

    Args:
        keep: where logs and data are left; nowhere if not given.
    """
    with contextlib.ExitStack() as stack:
        if keep is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pmo-torture-")))
        else:
            (directory := keep).mkdir(parents=True)
        stage = stack.enter_context(prepared_stage(plan, directory))
        return run_on(stage, Injector(stage))


class Happenings(Protocol):
    """What happens to a running system while it is under load, and when each of it began and was over."""

    windows: list[Window]

    def run(self, until_ns: int) -> None:
        """Returns when the load may end."""


def run_on(stage: Stage, happenings: Happenings) -> Outcome:
    """Load what is running while that happens to it, and judge."""
    plan = stage.plan
    quiet_write_ms = _time_quiet_writes(stage, plan.quiet_writes)
    begun = monotonic_ns()
    until_ns = begun + int(plan.seconds * 1e9)
    stage.start_load(until_ns)
    happenings.run(until_ns)
    stage.wait_for_load()
    ended = monotonic_ns()
    endings = [ending for slot in plan.people_slots for ending in read_writes(stage.orders.log_of(slot))]
    while not_converged := [*_find_unconverged(stage), *_find_undecided(stage, endings)]:
        if monotonic_ns() - ended > CONVERGENCE_SECONDS * 1e9:
            break
        time.sleep(CONVERGENCE_STEP_SECONDS)
    audited = stage.audit()
    noted: ReadLog = pickle.loads(stage.orders.reads.read_bytes())
    uses = [*noted.uses, *(use for slot in plan.people_slots for use in read_uses(stage.orders.log_of(slot)))]
    writes = [write for slot in range(plan.writers) for write in read_writes(stage.orders.log_of(slot))]
    verdict = Verdict()
    judge(History(noted.reads, writes, _read_commits(stage), happenings.windows, plan.hold_ms), verdict)
    return Outcome(
        plan=plan,
        verdict=verdict,
        rights=judge_rights(uses, endings, happenings.windows),
        seconds=round((ended - begun) / 1e9, 1),
        windows=happenings.windows,
        not_converged=not_converged,
        audited=audited[-1] if audited else "the audit could not run",
        audit_mismatches=sum(": " in line and "s old" in line for line in audited) if audited else 1,
        failures=_explain_failures(noted, happenings.windows),
        quiet_write_ms=quiet_write_ms,
        loaded_write_ms=_patch_times(writes),
    )


def _time_quiet_writes(stage: Stage, count: int) -> list[float]:
    """How long PATCH takes, in ms, one after the other, of an entity type nobody else uses, through one connection."""
    times: list[float] = []
    with contextlib.closing(connection_to(stage.ports[0])) as connection:
        for number in range(count + WARM_UP_WRITES if count else 0):
            begun = monotonic_ns()
            body = {"label": label_of(number + 1)}
            answer = send(connection, "PATCH", f"/api/v1/entity/{QUIET_CODE}", stage.token, body)
            times.append((monotonic_ns() - begun) / 1e6)
            assert answer.status == 200
    return times[WARM_UP_WRITES:]


def _patch_times(writes: Sequence[Write]) -> list[float]:
    return [
        (write.ended - write.started) / 1e6
        for write in writes
        if write.kind == "patch" and write.acknowledged and write.ended is not None
    ]


def _read_commits(stage: Stage) -> Mapping[int, Sequence[Commit]]:
    """The committed versions of each key in order, with the times of this machine's monotonic clock."""
    monotonic_of_epoch = monotonic_ns() - time_ns()
    numbers = {code: key for key, code in enumerate(stage.plan.codes)}
    commits: dict[int, list[Commit]] = {key: [Commit(0, 0)] for key in numbers.values()}
    rows = stage.database.execute(
        "SELECT code, label, (extract(epoch FROM noted_ts) * 1000000)::bigint FROM torture_history ORDER BY place"
    )
    for code, label, noted_us in rows:
        if code in numbers:
            commits[numbers[code]].append(Commit(int(label[1:]), noted_us * 1000 + monotonic_of_epoch))
    return commits


def _find_unconverged(stage: Stage) -> Iterator[str]:
    rows: dict[str, str] = dict(stage.database.execute("SELECT code, label FROM app.entity").fetchall())
    for code in stage.plan.codes:
        committed = f'"label":"{rows[code]}"'.encode()
        for number in stage.servers:
            answer = stage.ask(number, f"/api/v1/entity/type/{code}")
            if answer.status != 200 or committed not in answer.body:
                yield f"server {number}: {code}"
        try:
            cached = stage.redis.get(f"entity:metadata:{code}")
        except RedisError as error:
            yield f"Redis: {error}"
            continue
        if isinstance(cached, bytes) and committed not in cached:
            yield f"Redis: {code}"


def _find_undecided(stage: Stage, endings: Sequence[Write]) -> Iterator[str]:
    """The newest tokens, where servers say otherwise than those who ended them, or did not."""
    ended = {ending.key: ending for ending in endings}
    for token in read_tokens(stage.orders.tokens)[-TOKENS_CHECKED:] if endings else ():
        ending = ended.get(token.right)
        if ending is not None and not ending.acknowledged:
            continue
        for number in stage.servers:
            status = stage.ask(number, f"/api/v1/entity/type/{CALM_CODE}", token.text).status
            if status != (200 if ending is None else 401):
                yield f"server {number}: {status} for token {token.right}"


def _explain_failures(noted: ReadLog, windows: Sequence[Window]) -> Counter[str]:
    outages = [window for window in windows if window.fault in ("kill-servers", "kill-relay", STOPPED)]
    explained: Counter[str] = Counter()
    for at, server, reason in noted.failures:
        down = any(
            window.target == server and window.begun <= at <= window.ended + OUTAGE_MARGIN_NS for window in outages
        )
        explained[f"{reason} (server down)" if down and not reason[:1].isdigit() else reason] += 1
    if noted.forgotten:
        explained["not kept"] = noted.forgotten
    return explained
