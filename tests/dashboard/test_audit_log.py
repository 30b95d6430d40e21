"""The audit log has every act, from wherever, and nobody edits it."""

from __future__ import annotations

import pytest
from django.core.management import CommandError
from django.test import Client
from django.urls import reverse

from cache_layer.origin import working_for
from entities.cache.acts import recorded
from entities.management.terminal import shell_user
from entities.models import CacheOperation
from tests.api.conftest import client_of, make_user
from tests.commands.conftest import run
from tests.conftest import make_entity
from tests.dashboard.conftest import logged

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


def test_the_list_is_searched_and_filtered(viewer: Client) -> None:
    note("anna", "project", origin="api", reason="looks odd")
    note("bert", "task")

    def found(**query: str) -> list[str]:
        return [row.username for row in viewer.get(LOG, query).context["cl"].result_list]

    assert found() == ["bert", "anna"]
    assert found(q="odd") == ["anna"]
    assert found(q="task") == ["bert"]
    assert found(origin="api") == ["anna"]
    assert found(username="bert") == ["bert"]
    assert found(operation__exact="warm") == []
