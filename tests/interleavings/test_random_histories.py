"""
No history of the real code, cut into single steps and put together at random, breaks a promise.

The search is the same each time; `INTERLEAVINGS_EXAMPLES` asks for another one, of so many histories. `make test` plays
the first few of them, `make proofs` all, and a thousand others.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.interleavings.actions import WRITES
from tests.interleavings.history import History
from tests.interleavings.oracle import BrokenPromise
from tests.interleavings.removals import REMOVALS
from tests.interleavings.stage import living_world
from tests.interleavings.steps import LEAVE_HOLDS, STEPS, Fault, Step
from tests.interleavings.world import READERS, WRITERS, Scene, World

pytestmark = pytest.mark.usefixtures("committed_db")

EXAMPLES = 100
FEW_EXAMPLES = 25
STEPS_EACH = 50
FEW = 3
"""So many kinds of writes and faults at most has one history: what it has few of, it tries thoroughly."""

SCENES = [
    Scene(
        row_exists=row_exists,
        one_process=readers == "in one process",
        two_versions=readers == "of two versions",
        two_releases=readers == "of two releases",
        at_rest=at_rest,
        nodes=nodes,
    )
    for row_exists in (True, True, False)
    for readers in ("apart", "in one process", "of two versions", "of two releases")
    for at_rest in (False, True)
    for nodes in ("", "", "in order", "in reverse")
]

FOUND_SOON = [
    ("hold leaves the value", FEW_EXAMPLES),
    pytest.param("a COMMIT does not wait", EXAMPLES, marks=pytest.mark.proof),
    pytest.param("claim ignores holds", EXAMPLES, marks=pytest.mark.proof),
]
"""Pieces whose absence so many histories find; `test_missing_pieces.py` has a history for each."""


class Interleavings(RuleBasedStateMachine):
    """
    One random history.

    There is one rule: its argument is drawn from everything that is possible next, so that all of it has its chance.
    """

    world: ClassVar[World]
    history: History

    def __init__(self) -> None:
        super().__init__()
        self.is_whole = False

    @initialize(
        seats=st.lists(st.sampled_from([*READERS, *WRITERS]), unique=True, min_size=1),
        writes=st.lists(st.sampled_from([*WRITES]), unique=True, min_size=1, max_size=FEW),
        faults=st.lists(st.sampled_from(Fault), unique=True, max_size=FEW),
        scene=st.sampled_from(SCENES),
    )
    def begins(
        self,
        seats: list[str],
        writes: list[str],
        faults: list[Fault],
        scene: Scene,
    ) -> None:
        self.holds_may_be_left = bool(LEAVE_HOLDS.intersection(faults))
        left_out = {*READERS, *WRITERS} - {*seats}
        steps = [
            step
            for step in STEPS
            if step.who not in left_out
            and (step.fault is None or step.fault in faults)
            and (step.what not in WRITES or step.what in writes)
            for _ in range(step.weight)
        ]
        self.history = History(self.world, scene)
        self.next_step = st.sampled_from(steps).filter(lambda step: step.possible(self.history))
        self.is_whole = True

    @rule(step=st.runner().flatmap(lambda machine: machine.next_step))
    def then(self, step: Step) -> None:
        self.is_whole = False
        self.history.take(step)
        self.is_whole = True

    def teardown(self) -> None:
        try:
            if self.is_whole:
                self.history.become_quiet(holds_may_be_left=self.holds_may_be_left)
        finally:
            self.world.end()


def search(examples: int, phases: Sequence[Phase], *, derandomize: bool = True) -> None:
    """
    Play random histories.

    Raises:
        BrokenPromise: one is wrong.
    """
    with living_world() as Interleavings.world:
        run_state_machine_as_test(
            Interleavings,
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS_EACH,
                derandomize=derandomize,
                report_multiple_bugs=False,
                phases=phases,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


def test_no_history_of_a_few_random_ones_breaks_a_promise() -> None:
    search(FEW_EXAMPLES, [Phase.generate])  # `make proofs` looks for a short one, for minutes


@pytest.mark.proof
def test_no_random_history_breaks_a_promise() -> None:
    wanted = os.environ.get("INTERLEAVINGS_EXAMPLES")
    search(int(wanted or EXAMPLES), [Phase.generate, Phase.shrink], derandomize=wanted is None)


@pytest.mark.parametrize(("piece", "examples"), FOUND_SOON)
def test_the_same_search_finds_that_a_piece_is_missing(
    piece: str, examples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    REMOVALS[piece](monkeypatch)
    with pytest.raises(BrokenPromise, match=r"^(STALE|INVERSION|UNCOMMITTED): "):
        search(examples, [Phase.generate])
