"""
Connections that are closed, kept, pooled, or another for each transaction, and sessions that are lost.

Several databases and replicas: what is cached comes from the primary, and holds end with their own alias.
"""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.core.signals import request_finished
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.test import override_settings
from redis import Redis

from cache_layer import Source
from cache_layer.keys import holds_key
from cache_layer.lookup import Entry
from cache_layer.memory import pending
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.writing.outbox import Backlog
from cache_layer.writing.writes import hold_entries
from entities.lookups import ENTITY
from entities.models import Entity
from entities.services import get_entity_infrastructure
from tests.cache_layer.project import KEY, TASK_KEY, change, label, psql, read, roll_back
from tests.conftest import make_entity
from tests.threads import holds_in_child, in_another_thread

pytestmark = pytest.mark.usefixtures("committed_db")

# --- Sessions ---------------------------------------------------------------------------------------------------------

SETTINGS: dict[str, dict[str, Any]] = {
    "closed after each request": {"CONN_MAX_AGE": 0},
    "kept": {"CONN_MAX_AGE": None},
    "pooled": {"CONN_MAX_AGE": 0, "pool": {"min_size": 2, "max_size": 4}},
    "another session for each transaction": {"CONN_MAX_AGE": 0, "pool": {"min_size": 2, "max_size": 4}},
}


@pytest.fixture(params=SETTINGS)
def sessions(request: pytest.FixtureRequest, project: Entity) -> Iterator[set[int]]:
    """This thread's database connection of one kind; gives the server's sessions it has used for single statements."""
    used: set[int] = set()

    def give_back(execute: Callable[..., Any], *statement: Any) -> Any:
        """What PgBouncer does in transaction mode."""
        result = execute(*statement)
        if not connection.in_atomic_block:
            used.add(connection.connection.info.backend_pid)
            if request.param == "another session for each transaction":
                connection.close()
        return result

    connection.close()
    settings, wanted = connections.settings["default"], SETTINGS[request.param]
    with pytest.MonkeyPatch.context() as patch, connection.execute_wrapper(give_back):
        patch.setitem(settings, "CONN_MAX_AGE", wanted["CONN_MAX_AGE"])
        patch.setitem(settings["OPTIONS"], "pool", wanted.get("pool"))
        yield used
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined] # of PostgreSQL


def end_session() -> None:
    """What a restart, a failover or a firewall does to this thread's session."""
    psql(f"SELECT pg_terminate_backend({connection.connection.info.backend_pid}, 5000)")


def test_writes_and_reads_are_the_same_on_every_kind_of_connection(
    project: Entity, sessions: set[int], redis_client: Redis, request: pytest.FixtureRequest
) -> None:
    change(project, "New")
    assert (label(), redis_client.exists(KEY), redis_client.exists(holds_key(KEY))) == ("New", 1, 0)
    with transaction.atomic():
        change(project, "Newer")
        drop_all_copies()  # until the COMMIT they may be used
        assert in_another_thread(read) == ("New", Source.BYPASS)
    assert (label(), redis_client.exists(KEY), redis_client.exists(holds_key(KEY))) == ("Newer", 1, 0)
    Entity.objects.update(label="Newest")
    assert (label(), in_another_thread(label)) == ("Newest", "Newest")
    assert Backlog.measure(using="default").changes == 0
    assert (len(sessions) > 1) == ("another session for each transaction" in request.node.name)


def test_a_rollback_is_the_same_on_every_kind_of_connection(
    project: Entity, sessions: set[int], redis_client: Redis
) -> None:
    with transaction.atomic():
        change(project, "Never")
        transaction.set_rollback(True)
    assert in_another_thread(read) == ("Old", Source.BYPASS)
    request_finished.send(None)
    assert redis_client.exists(holds_key(KEY)) == 0
    assert (label(), in_another_thread(label)) == ("Old", "Old")


@pytest.mark.parametrize("sessions", ["pooled"], indirect=True)
def test_a_forked_child_has_sessions_of_its_own(project: Entity, sessions: set[int]) -> None:
    """It inherits a pool whose connections are its parent's."""
    label()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        inherited = {pid for (pid,) in cursor.fetchall()}
    connection.close()

    def has_its_own() -> bool:
        connection.ensure_connection()
        return connection.connection.info.backend_pid not in inherited

    assert holds_in_child(has_its_own)
    assert label() == "Old"


def test_a_session_lost_before_its_commit_leaves_its_hold_in_force(
    project: Entity, sessions: set[int], redis_client: Redis
) -> None:
    """Whether the commit happens is not known: nothing may be cached until the hold lapses."""
    with pytest.raises(OperationalError), transaction.atomic():
        change(project, "Perhaps")
        end_session()
    request_finished.send(None)
    assert redis_client.zcard(holds_key(KEY)) == 1
    assert in_another_thread(read) == ("Old", Source.BYPASS)
    change(project, "New")
    assert (read(), in_another_thread(read)) == (("New", Source.BYPASS), ("New", Source.BYPASS))
    assert redis_client.exists(KEY) == 0
    assert Backlog.measure(using="default").changes == 0


def test_a_session_lost_after_its_commit_leaves_the_change_to_the_relay(
    project: Entity, sessions: set[int], redis_client: Redis
) -> None:
    with transaction.atomic():
        transaction.on_commit(end_session)
        change(project, "New")
    assert redis_client.exists(KEY, holds_key(KEY)) == 0
    assert in_another_thread(label) == "New"
    request_finished.send(None)
    assert Backlog.measure(using="default").changes == 1


def test_a_session_lost_before_an_autocommitted_save_leaves_its_hold_in_force(
    project: Entity, redis_client: Redis
) -> None:
    """Whatever the thread writes with its next session."""
    end_session()
    with pytest.raises(OperationalError):
        change(project, "Perhaps")
    connection.close()
    make_entity("task")
    with transaction.atomic():
        make_entity("wiki")
    request_finished.send(None)
    assert redis_client.zcard(holds_key(KEY)) == 1
    assert in_another_thread(read) == ("Old", Source.BYPASS)


def test_a_failed_autocommitted_save_is_released_at_the_end_of_the_request(
    project: Entity, redis_client: Redis
) -> None:
    project.child_entity_codes = ["nothing"]
    with pytest.raises(IntegrityError):
        project.save()
    make_entity("task")
    request_finished.send(None)
    assert redis_client.exists(holds_key(KEY)) == 0
    assert label() == "Old"
    assert read() in [("Old", Source.LOCAL), ("Old", Source.REDIS)]


# --- Several databases ------------------------------------------------------------------------------------------------


@pytest.fixture
def second(committed_db: None) -> Iterator[str]:
    """Another alias of the same database, with sessions and transactions of its own."""
    yield from add_alias("second", connection.settings_dict["NAME"])


@pytest.fixture
def replica(project: Entity) -> Iterator[str]:
    """Another database, as the first one is now: a replica that hears of nothing from here on."""
    original = connection.settings_dict["NAME"]
    connections.close_all()
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {original}_replica WITH (FORCE)")  # a killed run may have left both
        cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [original])
        cursor.execute(f"CREATE DATABASE {original}_replica TEMPLATE {original}")
        try:
            with override_settings(DATABASE_ROUTERS=[ReadsFromTheReplica()]):
                yield from add_alias("replica", f"{original}_replica")
        finally:
            cursor.execute(f"DROP DATABASE {original}_replica")


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


def end_inner_block() -> None:
    with transaction.atomic():
        make_entity("task")
    make_entity("wiki")


def roll_savepoint_back() -> None:
    roll_back("task")
    make_entity("wiki")


def write_in_another_thread() -> None:
    """Commit, roll back and end a request, with other entries and the same."""

    def write() -> None:
        assert not pending.is_ours(KEY)
        make_entity("task")
        roll_back("wiki")
        with transaction.atomic():
            hold_entries([Entry(ENTITY, "project")], using="default")
            transaction.set_rollback(True)
        request_finished.send(None)

    in_another_thread(write)


def end_on_another_alias(*, committed: bool) -> None:
    with transaction.atomic(using="second"):
        change(Entity(code="task", label_plural="", icon="Flag"), "Task", using="second")
        transaction.set_rollback(not committed, using="second")
    if not committed:
        make_entity("task")  # ends what was rolled back


ENDS_OF_OTHERS = [end_inner_block, roll_savepoint_back, write_in_another_thread]
ENDS_OF_OTHERS += [partial(end_on_another_alias, committed=committed) for committed in (True, False)]


@pytest.mark.parametrize("end", ENDS_OF_OTHERS, ids=["block", "savepoint", "thread", "commit", "rollback"])
def test_a_hold_ends_with_its_own_transaction_and_nothing_else(
    project: Entity, second: str, redis_client: Redis, end: Callable[[], None]
) -> None:
    with transaction.atomic():
        change(project, "New")
        end()
        assert (redis_client.zcard(holds_key(KEY)), pending.is_ours(KEY), label()) == (1, True, "New")
        assert in_another_thread(read) == ("Old", Source.BYPASS)
    assert redis_client.exists(holds_key(KEY), holds_key(TASK_KEY)) == 0
    assert (label(), in_another_thread(label)) == ("New", "New")
    assert label("task") == (None if end is roll_savepoint_back else "Task")


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
