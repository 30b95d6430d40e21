"""
No piece of the protocol can be left out: for each, a history that goes wrong without it, and does not with it.

They are in `histories.txt`, each below the pieces that it needs. In brackets is how it begins, and behind `=>` how the
complaint begins that it leads to without any one of them; what has none went wrong once, and is mended. `pytest -rP`
shows the histories step by step.
"""

import re
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from cache_layer import clock
from tests.interleavings.history import History
from tests.interleavings.oracle import BrokenPromise
from tests.interleavings.removals import REMOVALS
from tests.interleavings.stage import living_world
from tests.interleavings.world import Scene, World

pytestmark = pytest.mark.usefixtures("committed_db")

SCENES: dict[str, dict[str, Any]] = {
    "readers at rest": {"at_rest": True},
    "readers in one process": {"one_process": True},
    "readers of two versions": {"two_versions": True},
    "readers of two releases": {"two_releases": True},
    "nodes apart": {"nodes": "in order"},
}
HISTORIES = {
    title: script
    for titles, script in re.findall(
        r"((?:^\S.*\n)+)((?:^ .*\n)+)", Path(__file__).with_name("histories.txt").read_text(), re.MULTILINE
    )
    for title in titles.splitlines()
}


def play(world: World, script: str) -> History:
    steps = script.partition("=> ")[0].strip()
    scene: dict[str, Any] = {}
    if steps.startswith("("):
        names, _, steps = steps[1:].partition(")")
        for each in names.split(", "):
            scene |= SCENES[each]
    history = History(world, Scene(**scene))
    history.play(steps)
    return history


def test_with_every_piece_in_its_place_all_of_these_histories_keep_every_promise() -> None:
    with living_world() as world:
        for script in HISTORIES.values():
            play(world, script).become_quiet()
            world.end()


@pytest.mark.parametrize("piece", REMOVALS)
def test_without_any_one_piece_a_promise_is_broken(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    REMOVALS[piece](monkeypatch)
    with living_world() as world, pytest.raises(BrokenPromise) as broken:
        play(world, HISTORIES[piece])
    sys.stdout.write(f"without: {piece}\n{broken.value}\n")
    assert str(broken.value).startswith(HISTORIES[piece].partition("=> ")[2].strip())


def test_threads_of_another_test_do_not_move_the_world_s_time() -> None:
    with living_world() as world:
        world.begin(Scene())
        before_ns = world.now_ns
        thread = threading.Thread(target=clock.sleep, args=[0.01])
        thread.start()
        thread.join()
        assert world.now_ns < before_ns + 10_000_000
