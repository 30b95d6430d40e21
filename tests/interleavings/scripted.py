"""Histories that are written down: for each piece of the protocol one that goes wrong without it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.interleavings.history import History
from tests.interleavings.oracle import BrokenPromise
from tests.interleavings.removals import Removal
from tests.interleavings.stage import living_world
from tests.interleavings.world import Scene, World

SCENES: dict[str, dict[str, Any]] = {
    "readers at rest": {"at_rest": True},
    "readers in one process": {"one_process": True},
    "readers of two versions": {"two_versions": True},
    "readers of two releases": {"two_releases": True},
    "nodes apart": {"nodes": "in order"},
}
"""What may stand in brackets before a script."""


def play(world: World, script: str) -> History:
    """
    Play a script, up to `=>`, after which it says how the complaint begins that it leads to without its piece.

    Raises:
        BrokenPromise: something is wrong.
    """
    lines, _, _ = script.strip().partition("=> ")
    scene: dict[str, Any] = {}
    if lines.startswith("("):
        words, _, lines = lines[1:].partition(")")
        for each in words.split(", "):
            scene |= SCENES[each]
    history = History(world, Scene(**scene))
    history.play(lines)
    return history


def assert_all_is_well(scripts: dict[str, str]) -> None:
    with living_world() as world:
        for script in scripts.values():
            play(world, script).become_quiet(holds_may_be_left=True)
            world.end()


def assert_it_goes_wrong_without(piece: str, removal: Removal, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    removal(monkeypatch)
    with living_world() as world, pytest.raises(BrokenPromise) as broken:
        play(world, script)
    sys.stdout.write(f"without: {piece}\n{broken.value}\n")
    assert str(broken.value).startswith(script.partition("=> ")[2].strip())
