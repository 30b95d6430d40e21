"""The audit log has every act, from wherever, and nobody changes it."""

import logging

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError
from django.db import DatabaseError, connection, transaction
from django.test import Client, RequestFactory
from django.urls import reverse

from cache_layer.origin import working_for
from entities.cache.operations import MAX_CODES, describe_subject, recorded
from entities.management.terminal import shell_user
from entities.models import CacheOperation, EntityEvent
from tests.api.conftest import client_of, make_user
from tests.commands.conftest import run
from tests.conftest import make_entity, sql
from tests.dashboard.conftest import logged

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
        with pytest.raises(DatabaseError):
            sql("SELECT 1 / 0")  # nothing can be written in this transaction any more
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
        sql(change.format(table, column))
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


LOG = reverse("admin:entities_cacheoperation_changelist")


def note(username: str, subject: str, *, origin: str = "admin", reason: str = "") -> CacheOperation:
    operation = CacheOperation.Operation.INVALIDATE
    with working_for(origin), recorded(operation, [subject], username=username, reason=reason) as record:
        record.result = "1 cached value dropped"
    return record


def test_the_apis_acts_are_logged(committed_db: None) -> None:
    make_entity("project")
    staff = client_of(make_user("anna", is_staff=True))
    staff.delete("/api/v1/entity/cache/project")
    staff.delete("/api/v1/entity/cache")
    assert logged() == [
        ("anna", "api", "invalidate", "project", "", "1 cached value dropped"),
        ("anna", "api", "clear", "all", "", "0 cached values dropped"),
    ]


def test_commands_are_logged_with_their_reason(committed_db: None) -> None:
    make_entity("project")
    run("warm_cache", "project", "--reason", "new release")
    run("clear_cache", "project", "--reason", "looks odd")
    run("clear_cache", "--all")
    assert logged() == [
        (shell_user(), "command", "warm", "project", "new release", "0 filled, 1 already cached, 0 not cacheable"),
        (shell_user(), "command", "invalidate", "project", "looks odd", "2 cached values dropped"),
        (shell_user(), "command", "clear", "all", "", "0 cached values dropped"),
    ]


@pytest.mark.parametrize("reason", ["x" * 201, "a\nb"])
def test_a_reason_that_cannot_be_kept_is_refused_before_anything_is_done(committed_db: None, reason: str) -> None:
    with pytest.raises(CommandError, match="--reason, nothing was done"):
        run("clear_cache", "--all", "--reason", reason)
    assert logged() == []


def test_the_list_is_searched_and_filtered(admin_client: Client) -> None:
    note("anna", "project", origin="api", reason="looks odd")
    note("bert", "task")

    def found(**query: str) -> list[str]:
        return [row.username for row in admin_client.get(LOG, query).context["cl"].result_list]

    assert found() == ["bert", "anna"]
    assert found(q="odd") == ["anna"]
    assert found(q="task") == ["bert"]
    assert found(origin="api") == ["anna"]
    assert found(username="bert") == ["bert"]
    assert found(operation__exact="warm") == []
