"""Names of icons: those that Lucide has, and those it still exports for the sake of old data."""

from __future__ import annotations

import json

import pytest

from entities.words.icons import TAGS_FILE, current_name, describe_former, former_names, icon_names, icon_tags


def test_every_former_name_leads_to_an_icon_and_hides_none() -> None:
    assert set(former_names().values()) <= set(icon_names())
    assert not set(former_names()) & set(icon_names())


def test_every_icon_has_the_tags_of_its_own_version_of_lucide() -> None:
    assert [name for name, tags in icon_tags().items() if not tags] == []
    assert "money" in icon_tags()["Banknote"]
    with TAGS_FILE.open("rb") as file:
        assert json.load(file)["tags"].keys() == set(icon_names().values())


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("CheckSquare", "SquareCheckBig"),
        ("BarChart", "ChartNoAxesColumnIncreasing"),
        ("GitCommit", "GitCommitHorizontal"),
        ("HomeIcon", "House"),
        ("LucideFlag", "Flag"),
        ("LucideFlagIcon", None),
        ("Icon", None),
        ("constructor", None),
        ("House", "House"),
    ],
)
def test_the_name_of_now(name: str, now: str | None) -> None:
    assert current_name(name) == now
    assert bool(describe_former(name)) == (now not in (None, name))
