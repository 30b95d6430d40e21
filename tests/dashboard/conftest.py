"""Who looks at the dashboard, and what was counted before they do."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from cache_layer import keys
from cache_layer.activity import count_local_hit, count_read, count_replay
from cache_layer.counting import reporting
from cache_layer.models import Change
from entities.dashboard.figures import forget_figures
from entities.models import CacheOperation
from tests.admin.conftest import staff_client
from tests.api.conftest import make_user
from tests.commands.conftest import own_valkey, redis_down  # noqa: F401 - fixtures
from tests.conftest import sql

DASHBOARD, FIGURES, ENTRIES, VALUES, OPERATE = (
    reverse(f"cache:{name}") for name in ("dashboard", "figures", "entries", "values", "operate")
)
KEY = "entity:metadata:project"


def entry_url(code: str) -> str:
    return reverse("cache:entry", args=[code])


@pytest.fixture(autouse=True)
def _fresh_figures(set_options: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """
    Nothing is remembered, nothing waits to be reported, and writers wait 1 ms.

    What servers of other tests report, some as they end, goes to other keys.
    """
    monkeypatch.setattr(keys, "ANALYTICS", f"{keys.ANALYTICS}:own")
    set_options(local_lease_ms=1, analytics_seconds=60)
    forget_figures()
    reporting._reporter.forget()
    yield
    forget_figures()


def staff_with(name: str, *permissions: str) -> User:
    user = make_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


@pytest.fixture
def operator(committed_db: None) -> Client:
    return staff_client(staff_with("olga", "view_cache", "operate_cache"))


@pytest.fixture
def viewer(committed_db: None) -> Client:
    return staff_client(staff_with("vera", "view_cache"))


def figures(client: Client, span: str = "hour") -> dict[str, Any]:
    """The dashboard's figures, read anew."""
    forget_figures()
    answer: dict[str, Any] = client.get(FIGURES, {"span": span}).context["figures"]
    return answer


def operate(client: Client, operation: str, *codes: str, reason: str = "") -> list[dict[str, Any]]:
    """What an operation answers, line by line; without codes it is done with everything."""
    answer = send(client, operation, *codes, reason=reason)
    assert answer.status_code == 200, answer.content
    return [json.loads(line) for line in b"".join(answer).splitlines()]  # type: ignore[arg-type] # it is streamed


def send(client: Client, operation: str, *codes: str, tag: str = "", reason: str = "") -> HttpResponse:
    on = "codes" if codes else "tag" if tag else "everything"
    return client.post(OPERATE, {"operation": operation, "on": on, "codes": codes, "tag": tag, "reason": reason})


def logged() -> list[tuple[str, ...]]:
    """The audit log, oldest first."""
    found = CacheOperation.objects.order_by("id")
    return [(row.username, row.origin, row.operation, row.subject, row.reason, row.result) for row in found]


def count_reads(*, local: int = 0, redis: int = 0, database: int = 0, replays: int = 0) -> None:
    """Have this process count these reads of one entry."""
    for _ in range(local):
        count_local_hit(KEY)
    for _ in range(redis):
        count_read("L2", KEY)
    for _ in range(database):
        count_read("DB", KEY)
    for _ in range(replays):
        count_replay(())


def add_late_change(seconds: int) -> None:
    """The only change there is; those of the test's own users would be counted too."""
    Change.objects.all().delete()
    sql(
        f"INSERT INTO {Change._meta.db_table} (table_name, field, identifier, changed_ts)"
        " VALUES ('app.entity', 'code', 'x', now() - %s * interval '1 second')",
        seconds,
    )


def series(chart: dict[str, Any], name: str) -> list[float | None]:
    (values,) = (dataset["data"] for dataset in chart["datasets"] if dataset["label"] == name)
    return list(values)
