"""Groups of entries: whom a tag names, and that all of them are dropped as single keys are."""

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from cache_layer import Source
from cache_layer.errors import UnknownTag
from cache_layer.memory.local_store import drop_all_copies, find_copy
from cache_layer.protocol.calls import script_source
from cache_layer.reading.reads import read_entries, read_entry
from entities.lookups import ENTITY, ENTITY_TYPES
from entities.models import Entity
from entities.services import get_entity_infrastructure
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("committed_db")

CODES = ["project", "phase", "task", "step", "wiki"]


@pytest.fixture
def types(committed_db: None) -> None:
    """Project has phase and task, both have step; wiki is by itself."""
    for code in CODES:
        make_entity(code, display_order=CODES.index(code))
    for code, children in {"project": ["phase", "task"], "phase": ["step"], "task": ["step"]}.items():
        Entity.objects.filter(code=code).update(child_entity_codes=children)
    read_entries(ENTITY, CODES)


def test_a_tag_names_all_within_or_around_by_one_query(
    types: None, django_assert_num_queries: Callable[[int], Any], subtests: pytest.Subtests
) -> None:
    for tag, codes in {
        "under:project": ["project", "phase", "task", "step"],
        "under:task": ["task", "step"],
        "under:wiki": ["wiki"],
        "above:step": ["project", "phase", "task", "step"],
        "above:project": ["project"],
    }.items():
        with subtests.test(tag=tag), django_assert_num_queries(1):
            assert ENTITY.find_tagged(tag) == codes


def test_circles_end(types: None) -> None:
    Entity.objects.filter(code="step").update(child_entity_codes=["project", "step"])
    assert ENTITY.find_tagged("under:step") == ["project", "phase", "task", "step"]
    assert ENTITY.find_tagged("above:project") == ["project", "phase", "task", "step"]


def test_inactive_types_are_named_too(types: None) -> None:
    Entity.objects.filter(code="task").update(active_flag=False)
    assert "task" in ENTITY.find_tagged("under:project")


def test_one_invalidation_drops_all_of_them_everywhere(types: None, redis_client: Redis, commands: list[str]) -> None:
    drop_all_copies()
    read_entries(ENTITY, CODES)
    redis_client.script_load(script_source("invalidate", each=True))  # perhaps the server has yet to see it
    commands.clear()
    assert ENTITY.invalidate(*ENTITY.find_tagged("under:task")) == 2
    assert [command for command in commands if command.startswith("EVAL")] == ["EVALSHA"]
    assert find_copy(ENTITY.key("step")) is None
    drop_all_copies()
    sources = {code: read_entry(ENTITY, code).source for code in CODES}
    assert {code for code, source in sources.items() if source is Source.DATABASE} == {"task", "step"}


def test_a_type_that_has_moved_away_is_left_alone_and_stays_coherent(types: None) -> None:
    Entity.objects.filter(code__in=["phase", "task"]).update(child_entity_codes=[])
    assert get_entity_infrastructure().get_entity("step") is not None
    ENTITY.invalidate(*ENTITY.find_tagged("under:project"))
    drop_all_copies()
    assert read_entry(ENTITY, "step").source is Source.REDIS
    Entity.objects.filter(code="step").update(label="New")
    assert get_entity_infrastructure().get_entity("step").label == "New"


def test_a_lookup_without_tags_says_so() -> None:
    with pytest.raises(UnknownTag, match="no tags"):
        ENTITY_TYPES.find_tagged("under:project")
