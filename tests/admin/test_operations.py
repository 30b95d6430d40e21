"""The audit log of what people do with the cache."""

from __future__ import annotations

import logging

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.test import RequestFactory

from entities.cache.acts import MAX_CODES, describe_subject, recorded
from entities.models import CacheOperation, EntityEvent
from tests.conftest import make_entity

INVALIDATE = CacheOperation.Operation.INVALIDATE


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


@pytest.mark.parametrize("table", ["app.cache_operation", "app.entity_event"])
@pytest.mark.parametrize("change", ["UPDATE {} SET {} = 'eve'", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_audit_trail_cannot_be_changed_even_in_sql(db: None, table: str, change: str) -> None:
    with recorded(INVALIDATE, ["a"], username="ada"):
        make_entity("project")
    column = "username" if table == "app.cache_operation" else "label"
    with pytest.raises(DatabaseError, match=r"Cannot (update or delete|truncate)"), transaction.atomic():
        connection.cursor().execute(change.format(table, column))
    assert CacheOperation.objects.get().username == "ada"
    assert EntityEvent.objects.get().label == "Project"


def test_no_page_and_no_model_permission_changes_the_audit_trail(db: None, superuser: User) -> None:
    """Not even a superuser's: what has no page of its own has none that shows it inside either."""
    request = RequestFactory().get("/")
    request.user = superuser
    assert EntityEvent not in admin.site._registry
    assert LogEntry not in admin.site._registry
    log = admin.site._registry[CacheOperation]
    assert not any((log.has_add_permission(request), log.has_change_permission(request)))
    assert not log.has_delete_permission(request)
    assert log.get_actions(request) == {}
    inside = {inline.model for each in admin.site._registry.values() for inline in each.inlines}
    assert not inside & {CacheOperation, EntityEvent}


def test_of_many_codes_the_first_are_named() -> None:
    codes = [f"type_{number}" for number in range(MAX_CODES + 3)]
    assert describe_subject(codes).endswith(f"type_{MAX_CODES - 1} and 3 more")
    assert describe_subject(["one"]) == "one"
