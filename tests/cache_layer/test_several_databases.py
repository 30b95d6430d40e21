"""Several databases and replicas: what is cached comes from the primary, and holds end with their own alias."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from django.db import connection, connections, transaction
from django.test import override_settings
from psycopg import sql
from redis import Redis

from cache_layer import Source
from cache_layer.keys import holds_key
from cache_layer.lookup import Entry
from cache_layer.memory import pending
from cache_layer.writing.outbox import Backlog
from cache_layer.writing.writes import hold_entries
from entities.lookups import ENTITY
from entities.models import Entity
from entities.services import get_entity_infrastructure
from tests.cache_layer.project import KEY, TASK_KEY, change, label, read
from tests.conftest import make_entity
from tests.servers import test_database_url
from tests.threads import in_another_thread

pytestmark = pytest.mark.usefixtures("committed_db")


def run_sql(statement: sql.Composed) -> None:
    """By a session of its own, on the server's maintenance database."""
    url = test_database_url().replace(f"/{connection.settings_dict['NAME']}?", "/postgres?")
    with closing(psycopg.connect(url, autocommit=True)) as session:
        session.execute(statement)


@pytest.fixture
def second(committed_db: None) -> Iterator[str]:
    """Another alias of the same database, with sessions and transactions of its own."""
    yield from add_alias("second", connection.settings_dict["NAME"])


@pytest.fixture
def replica(project: Entity) -> Iterator[str]:
    """Another database, as the first one is now: a replica that hears of nothing from here on."""
    name = f"{connection.settings_dict['NAME']}_replica"
    original, copied = sql.Identifier(connection.settings_dict["NAME"]), sql.Identifier(name)
    connections.close_all()
    run_sql(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(copied, original))
    try:
        with override_settings(DATABASE_ROUTERS=[ReadsFromTheReplica()]):
            yield from add_alias("replica", name)
    finally:
        run_sql(sql.SQL("DROP DATABASE {}").format(copied))


def add_alias(alias: str, name: str) -> Iterator[str]:
    connections.settings[alias] = copy.deepcopy(connection.settings_dict) | {"NAME": name}
    connections[alias].connect()  # by itself, it would be refused: the test's own databases are those of the settings
    yield alias
    connections[alias].close()
    del connections[alias], connections.settings[alias]


class ReadsFromTheReplica:
    def db_for_read(self, model: type, **_: object) -> str:
        return "replica"

    def db_for_write(self, model: type, **_: object) -> str:
        return "default"


def test_what_is_cached_comes_from_the_primary_where_a_router_sends_reads_to_a_replica(
    project: Entity, replica: str, redis_client: Redis
) -> None:
    change(project, "New")
    assert Entity.objects.get().label == "Old"  # the router works
    redis_client.flushdb()
    assert read() == ("New", Source.DATABASE)
    Entity.objects.update(label="Newest")
    assert read() == ("Newest", Source.REDIS)


def test_the_outbox_is_that_of_the_primary(project: Entity, replica: str) -> None:
    project.delete()
    assert Backlog.measure() == (0, 0)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO app.entity (code, label, label_plural, icon) VALUES ('a', 'A', 'As', 'Flag')")
    assert Backlog.measure().changes == 1


def test_the_service_reads_inactive_types_from_the_primary_too(project: Entity, replica: str) -> None:
    project.active_flag = False
    change(project, "New")
    service = get_entity_infrastructure()
    assert service.get_entity("project") is None
    read_one, read_all = service.get_entity("project", True), service.get_all_entity(True)
    assert (read_one and read_one.label, [each.label for each in read_all]) == ("New", ["New"])


def test_a_row_of_another_database_is_never_cached_as_the_primarys(
    project: Entity, replica: str, redis_client: Redis
) -> None:
    change(Entity.objects.using(replica).get(), "Elsewhere", using=replica)
    assert redis_client.exists(holds_key(KEY)) == 0
    assert (label(), in_another_thread(label)) == ("Old", "Old")


def test_a_save_through_another_alias_of_the_primary_is_seen_at_once(
    project: Entity, second: str, redis_client: Redis
) -> None:
    assert label() == "Old"
    change(project, "New", using=second)
    assert label() == "New"
    Entity.objects.using(second).update(label="Newest")
    assert label() == "Newest"
    assert redis_client.exists(holds_key(KEY)) == 0
    assert Backlog.measure(using="default").changes == 0


@pytest.mark.parametrize("committed", [True, False], ids=["commit", "rollback"])
def test_the_end_of_a_transaction_on_one_alias_leaves_the_holds_of_another(
    project: Entity, second: str, redis_client: Redis, committed: bool
) -> None:
    task = make_entity("task", label="Old")
    with transaction.atomic(using=second):
        change(task, "New", using=second)
        with transaction.atomic():
            change(project, "New")
            transaction.set_rollback(not committed)
        make_entity("wiki")  # ends what was rolled back
        assert redis_client.exists(holds_key(KEY)) == 0
        assert redis_client.exists(holds_key(TASK_KEY)) == 1
        assert in_another_thread(lambda: read("task")) == ("Old", Source.BYPASS)
    assert redis_client.exists(holds_key(TASK_KEY)) == 0
    assert [label(), label("task")] == ["New" if committed else "Old", "New"]


def test_one_row_held_on_two_aliases_is_released_by_the_last(project: Entity, second: str, redis_client: Redis) -> None:
    with transaction.atomic():
        hold_entries([Entry(ENTITY, "project")], using="default")
        with transaction.atomic(using=second):
            change(project, "New", using=second)
        assert pending.is_ours(KEY)
        assert redis_client.zcard(holds_key(KEY)) == 1
        change(project, "Newest", using="default")
        assert in_another_thread(read) == ("New", Source.BYPASS)
    assert (label(), redis_client.exists(holds_key(KEY))) == ("Newest", 0)
