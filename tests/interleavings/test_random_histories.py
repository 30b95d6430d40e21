"""
No history of the real code, cut into single steps and put together at random, breaks a promise.

The search is the same each time; `INTERLEAVINGS_EXAMPLES` asks for another one, of so many histories. `make test` plays
the first few of them, `make proofs` all, and a thousand others.
"""

import os
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.interleavings.actions import WRITES
from tests.interleavings.history import History
from tests.interleavings.oracle import BrokenPromise
from tests.interleavings.removals import REMOVALS
from tests.interleavings.stage import living_world
from tests.interleavings.steps import STEPS, Fault
from tests.interleavings.world import READERS, WRITERS, Scene

pytestmark = pytest.mark.usefixtures("committed_db")

EXAMPLES = 100
FEW_EXAMPLES = 25
STEPS_EACH = 50
FEW = 3
"""So many kinds of writes and faults at most has one history: what it has few of, it tries thoroughly."""

SCENES = st.builds(
    lambda readers, **scene: Scene(**readers, **scene),
    readers=st.sampled_from([{}, {"one_process": True}, {"two_versions": True}, {"two_releases": True}]),
    row_exists=st.sampled_from((True, True, False)),
    at_rest=st.booleans(),
    nodes=st.sampled_from(("", "", "in order", "in reverse")),
)
FOUND_SOON = [
    ("hold leaves the value", FEW_EXAMPLES),
    pytest.param("a COMMIT does not wait", EXAMPLES, marks=pytest.mark.proof),
    pytest.param("claim ignores holds", EXAMPLES, marks=pytest.mark.proof),
]
"""Pieces whose absence so many histories find; `test_missing_pieces.py` has a history for each."""


def search(examples: int, phases: Sequence[Phase], *, derandomize: bool = True) -> None:
    """
    Play random histories, each step of which is drawn from everything that is possible next.

    Raises:
        BrokenPromise: one is wrong.
    """

    @settings(
        max_examples=examples,
        derandomize=derandomize,
        report_multiple_bugs=False,
        phases=phases,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        seats=st.lists(st.sampled_from([*READERS, *WRITERS]), unique=True, min_size=1),
        writes=st.lists(st.sampled_from([*WRITES]), unique=True, min_size=1, max_size=FEW),
        faults=st.lists(st.sampled_from(Fault), unique=True, max_size=FEW),
        scene=SCENES,
        data=st.data(),
    )
    def play(seats: list[str], writes: list[str], faults: list[Fault], scene: Scene, data: st.DataObject) -> None:
        left_out = {*READERS, *WRITERS} - {*seats}
        steps = [
            step
            for step in STEPS
            if step.who not in left_out
            and (step.fault is None or step.fault in faults)
            and (step.what not in WRITES or step.what in writes)
            for _ in range(step.weight)
        ]
        try:
            history = History(world, scene)
            next_step = st.sampled_from(steps).filter(lambda step: step.possible(history))
            for _ in range(STEPS_EACH):
                history.take(data.draw(next_step))
            history.become_quiet()
        finally:
            world.end()

    with living_world() as world:
        play()


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
