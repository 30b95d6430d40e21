"""The audit log of what people do with the cache."""

from __future__ import annotations

import logging

import pytest
from django.db import DatabaseError, connection, transaction

from cache_layer.origin import working_for
from entities.models import CacheOperation
from entities.operations import MOST_CODES, describe_subject, recorded

INVALIDATE = CacheOperation.Operation.INVALIDATE


def test_an_operation_is_noted_with_user_origin_reason_and_result(db: None) -> None:
    with working_for("admin"), recorded(INVALIDATE, ["a", "b"], username="ada", reason="a test") as record:
        record.result = "2 values dropped"
    row = CacheOperation.objects.get()
    noted = (row.username, row.origin, row.operation, row.subject, row.reason, row.result)
    assert noted == ("ada", "admin", "invalidate", "a, b", "a test", "2 values dropped")


def test_an_operation_that_fails_is_noted_with_what_was_wrong(db: None) -> None:
    with pytest.raises(RuntimeError), recorded(INVALIDATE, None, username="ada"):
        raise RuntimeError("no answer")
    row = CacheOperation.objects.get()
    assert (row.origin, row.subject, row.result) == ("command", "all", "failed: no answer")


def test_without_the_database_the_operation_goes_on_and_the_log_has_it(
    db: None, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction.atomic(), caplog.at_level(logging.INFO, "entities"):
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")  # nothing can be written in this transaction any more
        with recorded(INVALIDATE, ["a"], username="ada") as record:
            record.result = "1 value dropped"
        connection.set_rollback(True)
    assert [entry.message for entry in caplog.records] == ["Cache operated", "Audit log not written"]
    assert [vars(entry)["username"] for entry in caplog.records] == ["ada", "ada"]


@pytest.mark.parametrize(
    "change", ["UPDATE app.cache_operation SET username = 'eve'", "DELETE FROM app.cache_operation"]
)
def test_the_log_cannot_be_changed_even_in_sql(db: None, change: str) -> None:
    with recorded(INVALIDATE, ["a"], username="ada"):
        pass
    with pytest.raises(DatabaseError, match="Cannot update or delete"), transaction.atomic():
        connection.cursor().execute(change)
    assert CacheOperation.objects.get().username == "ada"


def test_of_many_codes_the_first_are_named() -> None:
    codes = [f"type_{number}" for number in range(MOST_CODES + 3)]
    assert describe_subject(codes).endswith(f"type_{MOST_CODES - 1} and 3 more")
    assert describe_subject(["one"]) == "one"
