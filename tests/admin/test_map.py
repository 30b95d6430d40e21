"""The map of entity types."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from entities.admin.map.type_map import MAX_LINKS, MAX_TYPES, MapType, Picture, Show, TypeMap
from entities.admin.widgets import draw_icon
from tests.admin.conftest import change_url, text_of
from tests.conftest import make_entity, without_triggers

MAP = reverse("admin:entities_entity_map")


def map_of(*, inactive: str = "", **children: str) -> TypeMap:
    """`map_of(project="task wiki", task="", wiki="")`."""
    return TypeMap(
        (code, code.capitalize(), "Flag", code not in inactive.split(), listed.split())
        for code, listed in children.items()
    )


def codes(types: list[MapType]) -> list[str]:
    return [each.code for each in types]


def codes_of(types: TypeMap, kind: str) -> list[str]:
    """Of those that are of this kind: `is_root`."""
    return codes([each for each in types.types.values() if getattr(each, kind)])


def draw(types: TypeMap, around: str = "", **how: Any) -> Picture:
    return types.draw(around=types.types.get(around), **how)


def links_of(picture: Picture) -> list[str]:
    """`["project task", "(office task)"]`: those in brackets are implied."""
    return [f"({parent} {child})" if implied else f"{parent} {child}" for parent, child, implied in picture.links]


def drawn(response: HttpResponse) -> list[str]:
    return re.findall(r'data-code="([^"]*)" data-label', response.content.decode())


def test_roots_leaves_and_orphans_are_told_apart() -> None:
    types = map_of(office="project", project="task", task="", note="")
    assert codes_of(types, "is_root") == ["office"]
    assert codes_of(types, "is_leaf") == ["task"]
    assert codes(types.orphans) == ["note"]
    assert types.links == 2


def test_a_type_that_lists_only_itself_is_an_orphan_with_a_link() -> None:
    types = map_of(task="task")
    assert codes(types.orphans) == ["task"]
    assert codes_of(types, "is_root") == codes_of(types, "is_leaf") == []
    assert types.links == 1


def test_types_in_a_cycle_are_neither_roots_nor_leaves_and_the_neighbourhood_of_one_ends() -> None:
    types = map_of(project="task", task="issue", issue="project")
    assert codes_of(types, "is_root") == codes_of(types, "is_leaf") == codes(types.orphans) == []
    assert codes(draw(types, "task", levels=4).types) == ["project", "task", "issue"]


def test_inactive_types_that_others_list_are_found() -> None:
    types = map_of(project="task wiki", task="task", wiki="", note="note", inactive="project wiki note")
    assert codes(types.inactive_children) == ["wiki"]


def test_missing_codes_are_found_with_those_that_list_them() -> None:
    types = map_of(project="task ghost", task="ghost")
    assert {code: codes(each.parents) for code, each in types.missing.items()} == {"ghost": ["project", "task"]}
    assert codes_of(types, "is_leaf") == ["task"], "what does not exist is no child"


@pytest.mark.parametrize(
    ("show", "expected"),
    [
        (Show.ALL, ["project", "task", "wiki", "note"]),
        (Show.ACTIVE, ["project", "task", "note"]),
        (Show.INACTIVE, ["project", "wiki"]),
        (Show.ORPHANS, ["note"]),
    ],
)
def test_a_choice_draws_what_it_names(show: Show, expected: list[str]) -> None:
    types = map_of(project="task wiki", task="", wiki="", note="", inactive="wiki")
    assert codes(types.draw(show).types) == expected


def test_a_neighbourhood_reaches_as_many_levels_as_asked_up_and_down() -> None:
    chain = map_of(a="b", b="c", c="d", d="e", e="f", f="")
    assert codes(draw(chain, "c", levels=1).types) == ["b", "c", "d"]
    assert codes(draw(chain, "c", levels=2).types) == ["a", "b", "c", "d", "e"]


def test_links_that_a_longer_way_implies_are_marked_but_for_the_one_type_that_the_picture_is_about() -> None:
    types = map_of(office="project task", project="task", task="issue", issue="issue")
    every = ["office project", "(office task)", "project task", "task issue", "issue issue"]
    assert links_of(draw(types)) == links_of(draw(types, "office", levels=3)) == every
    assert links_of(draw(types, "office", levels=1)) == ["office project", "office task"], "and none between the two"


def test_of_links_in_a_cycle_as_many_stay_as_keep_every_way() -> None:
    types = map_of(a="b c", b="c a", c="a b")
    assert links_of(draw(types)) == ["(a b)", "a c", "(b c)", "b a", "(c a)", "c b"]


def test_more_linked_types_than_can_be_drawn_begin_with_the_one_that_has_most_links() -> None:
    chain = {f"t{each}": f"t{each + 1}" for each in range(MAX_TYPES + 1)}
    types = map_of(**(chain | {f"t{MAX_TYPES + 1}": "", "t7": "t8 t9 t10"}))
    picture = types.draw()
    assert picture.middle is types.types["t7"]
    assert codes(picture.types) == [f"t{each}" for each in range(5, 12)]
    assert picture.left_out == 0


def test_a_dense_neighbourhood_is_cut_where_its_links_are_too_many_and_says_so() -> None:
    everyone = " ".join(f"t{each}" for each in range(40))
    types = map_of(**{f"t{each}": everyone for each in range(40)})
    picture = types.draw()
    assert 0 < len(picture.links) <= MAX_LINKS
    assert picture.middle in picture.types
    assert picture.left_out == 40 - len(picture.types) > 0


def test_linked_types_are_drawn_before_orphans() -> None:
    types = map_of(**{f"orphan{each}": "" for each in range(MAX_TYPES)}, project="task", task="")
    picture = types.draw()
    assert len(picture.types) == MAX_TYPES
    assert {"project", "task"} <= set(codes(picture.types))
    assert (picture.middle, picture.left_out) == (None, 2)


def test_a_type_is_found_by_code_label_or_a_part_of_them(subtests: pytest.Subtests) -> None:
    names = {"road_map": "Ahead", "task_list": "Lists", "project": "Project", "task": "Task", "plan": "Road map"}
    types = TypeMap((code, label, "Flag", True, []) for code, label in names.items())
    for text, code in [
        (" Project ", "project"),
        ("TASK", "task"),
        ("road map", "plan"),
        ("road", "road_map"),
        ("ma", "road_map"),
        ("li", "task_list"),
        ("jec", "project"),
        ("nothing", None),
    ]:
        with subtests.test(text=text, code=code):
            assert getattr(types.find(text), "code", None) == code


def test_the_page_shows_every_type_with_its_links_icon_and_state(viewer: Client) -> None:
    make_entity("task", display_order=1, active_flag=False)
    make_entity("project", child_entity_codes=["task"])
    response = viewer.get(MAP)
    assert response.status_code == 200
    page = response.content.decode()
    assert drawn(response) == ["task", "project"]
    assert '[["project", "task", false]]' in page
    assert page.count(draw_icon("FolderKanban")) == 2
    assert f'href="{change_url("task")}"' in page
    assert "inactive · task , 1 parent, 0 children" in text_of(response.content.decode())


def test_findings_name_a_missing_code_and_an_inactive_child(admin_client: Client) -> None:
    make_entity("task", active_flag=False)
    make_entity("project", child_entity_codes=["task"])
    without_triggers("""UPDATE app.entity SET child_entity_codes = '["task", "ghost"]' WHERE code = 'project'""")
    response = admin_client.get(MAP)
    words = text_of(response.content.decode())
    assert "Missing codes 1 Listed as children, but no entity types ghost in Project" in words
    assert "Inactive children 1 Inactive, and still listed by others Task in Project" in words
    assert drawn(response) == ["task", "project"]


def test_the_page_around_one_type_names_all_its_parents_and_children_and_what_can_be_done_with_it(
    admin_client: Client, viewer: Client
) -> None:
    make_entity("task")
    make_entity("project", child_entity_codes=["task"])
    make_entity("office", child_entity_codes=["project"])
    response = admin_client.get(MAP, {"around": "project", "show": "orphans"})
    assert drawn(response) == ["project"]
    said = text_of(response.content.decode())
    assert "Around Project, 1 level: 1 of 3 entity types. More levels Parents 1 Office Children 1 Task" in said
    assert 'href="?around=office&amp;show=orphans"' in response.content.decode(), "the choice stays"
    assert "Edit History Deactivate…" in said
    assert "Open History" in text_of(viewer.get(MAP, {"around": "project"}).content.decode())


def test_a_wrong_address_is_refused_with_the_reason(admin_client: Client, subtests: pytest.Subtests) -> None:
    make_entity("project")
    for query, complaint in [
        ({"around": "nowhere"}, "No entity type is called “nowhere”."),
        ({"around": "a\x00b"}, "Null characters are not allowed."),
        ({"around": "x" * 101}, "at most 100 characters"),
        ({"levels": "9"}, "Levels: Ensure this value is less than or equal to 4."),
        ({"levels": "many"}, "Levels: Enter a whole number."),
        ({"show": "none"}, "Show: Select a valid choice."),
    ]:
        with subtests.test(query=query, complaint=complaint):
            response = admin_client.get(MAP, query)
            assert response.status_code == 400
            assert complaint in text_of(response.content.decode())
            assert drawn(response) == ["project"], "the map is there all the same"


def vendored() -> Iterator[tuple[str, str]]:
    """Files and their sums, as the table beside them says."""
    readme = finders.find("vendor/README.md")
    assert readme
    yield from re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", Path(readme).read_text(), re.MULTILINE)


def test_libraries_of_others_are_what_their_table_says() -> None:
    table = dict(vendored())
    folder = Path(finders.find("vendor/README.md") or "").parent
    assert {path.name for path in folder.glob("*.js")} == set(table)
    for name, digest in table.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        licence = (folder / f"{name.split('.')[0]}.LICENSE.txt").read_text()
        assert re.search(r"Permission .*granted", " ".join(licence.split()))
