"""One node that has all slots, some or none: what a cluster lacks costs what it lacks, and no more."""

import math
from collections.abc import Callable, Iterator
from threading import Event, Thread, Timer
from typing import Any

import pytest
from django.db import connection, transaction
from redis.crc import key_slot
from redis.exceptions import ResponseError

from cache_layer import Source
from cache_layer.errors import CacheUnavailable
from cache_layer.keys import holds_key
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.protocol.scripts import Invalidated, hold_keys, invalidate_keys
from cache_layer.reading.reads import read_entries
from cache_layer.server import failover
from cache_layer.server.connection import get_redis_client, get_writer_client, is_redis_healthy
from cache_layer.upkeep.relay import relay_changes
from entities.lookups import ENTITY
from entities.models import Entity
from pmo.run.engines.valkey import HOST
from tests.cache_layer.conftest import caches_at, reconnect
from tests.cache_layer.project import KEY, label_anew, read_anew
from tests.conftest import make_entity
from tests.threads import holds_in_child
from tests.topologies import PLAIN, SLOTS, Server, find_port
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("committed_db")

SLOT = key_slot(KEY.encode())
OTHER = ENTITY.key("office")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no", "--cluster-node-timeout", "500")
    port = ("--cluster-port", str(find_port()))
    server = Server(tmp_path_factory.mktemp("node") / "node", (*PLAIN, *options, *port))
    server.start()
    try:
        wait_for(server.answers)
        yield server
    finally:
        server.stop()


@pytest.fixture
def node(server: Server, committed_db: None) -> Iterator[Server]:
    """It has all slots, and two entries."""
    assigned = int(server.ask("CLUSTER INFO")["cluster_slots_assigned"])
    if assigned == SLOTS - 1:  # by a test that failed
        server.ask("CLUSTER", "ADDSLOTS", SLOT)
    elif not assigned:
        give_all_slots(server)
    server.ask("FLUSHALL")
    make_entity("project")
    make_entity("office")
    with caches_at(address(server)):
        wait_for(lambda: sources() == {"project": Source.REDIS, "office": Source.REDIS})
        yield server


def address(node: Server) -> str:
    return f"redis+cluster://{HOST}:{node.port}"


def give_all_slots(node: Server) -> None:
    node.ask("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)


def begin_another_run(node: Server) -> None:
    """As far as this process can tell."""
    node.ask("SCRIPT", "FLUSH")
    failover._purged_at.clear()
    reconnect()


def sources() -> dict[str, Source]:
    drop_all_copies()
    return {code: one.source for code, one in read_entries(ENTITY, ["project", "office"]).items()}


def test_a_comparison_counts_from_before_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now, compared = 100.0, []

    class Slow(failover.Compared):
        def _compare(self) -> None:
            nonlocal now
            compared.append(now)
            now += 0.5

    monkeypatch.setattr(failover, "monotonic", lambda: now)
    connection = Slow()
    connection._compared_at = -math.inf
    for now in (100.0, 100.9, 101.0):  # noqa: B007 - it is what the clock says
        connection.check_health()
    assert compared == [100.0, 101.0]


def test_nodes_without_any_slots_are_of_no_use_until_they_have_some(node: Server) -> None:
    node.ask("FLUSHALL")
    node.ask("CLUSTER", "RESET", "HARD")
    for _ in range(3):
        assert sources() == {"project": Source.BYPASS, "office": Source.BYPASS}
    reconnect()
    assert read_anew().source is Source.BYPASS
    give_all_slots(node)
    wait_for(lambda: read_anew().source is Source.REDIS)


def test_a_slot_that_no_node_has_costs_its_own_entries_alone_until_one_has_it(node: Server) -> None:
    node.ask("CLUSTER", "DELSLOTS", SLOT)
    wait_for(lambda: sources() == {"project": Source.BYPASS, "office": Source.REDIS})
    client: Any = get_redis_client()
    wait_for(lambda: bool(sources()) and SLOT not in client.topology.slots().nodes_manager.slots_cache)
    for _ in range(3):
        assert read_anew("project").source is Source.BYPASS
        assert read_anew("office").source is Source.REDIS
    told = invalidate_keys([KEY, OTHER], unless_held=[KEY, OTHER])
    assert told == {KEY: Invalidated.UNANSWERED, OTHER: Invalidated.DROPPED}
    node.ask("CLUSTER", "ADDSLOTS", SLOT)
    wait_for(lambda: read_anew("project").source is Source.REDIS)


def test_a_change_by_sql_waits_for_the_node_that_has_its_stamp(node: Server) -> None:
    """What is in memory rests on that stamp, whatever became of the value."""
    slot = key_slot(ENTITY.stamp_key("project").encode())
    node.ask("CLUSTER", "DELSLOTS", slot)
    try:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE app.entity SET label = 'New' WHERE code = 'project'")
        assert relay_changes() == 1
    finally:
        node.ask("CLUSTER", "ADDSLOTS", slot)
    wait_for(lambda: relay_changes() == 0)


def test_nodes_that_are_all_gone_are_looked_for_where_the_url_says(node: Server) -> None:
    node.ask("CONFIG", "SET", "cluster-announce-ip", HOST)
    node.ask("CONFIG", "SET", "cluster-announce-port", find_port())
    reconnect()
    try:
        assert read_anew().source is Source.BYPASS
    finally:
        node.ask("CONFIG", "SET", "cluster-announce-port", 0)
        node.ask("CONFIG", "SET", "cluster-announce-ip", "")
    wait_for(lambda: read_anew().source is Source.REDIS)


def test_keys_that_a_given_up_move_has_left_do_not_keep_a_node_from_being_used(node: Server) -> None:
    node.ask("CLUSTER", "DELSLOTS", SLOT)
    assert node.ask("DBSIZE") >= 2
    begin_another_run(node)
    wait_for(lambda: sources() == {"project": Source.BYPASS, "office": Source.REDIS})
    node.ask("CLUSTER", "ADDSLOTS", SLOT)


def test_a_writer_goes_on_telling_a_node_that_takes_no_writes_for_a_moment(
    node: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover, "TRUSTED_SECONDS", 60.0)  # else the comparison would notice
    changing = Timer(0.2, node.ask, ["CONFIG", "SET", "min-replicas-to-write", 0])
    with transaction.atomic():
        Entity.objects.filter(code="project").update(label="new")
        node.ask("CONFIG", "SET", "min-replicas-to-write", 1)
        changing.start()
    changing.join()
    assert get_redis_client().zcard(holds_key(KEY)) == 0
    assert read_anew().source is Source.REDIS
    assert label_anew() == "new"


def test_a_node_that_takes_no_writes_is_unavailable_for_several_keys_as_for_one(
    node: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover, "TRUSTED_SECONDS", 60.0)  # else the comparison would notice
    client: Any = get_writer_client()
    for command in (
        lambda: client.delete(KEY),
        lambda: client.unlink(KEY, OTHER),
        lambda: client.pipeline().delete(KEY).execute(raise_on_error=False),
        lambda: hold_keys([KEY, OTHER], "a writer"),
    ):
        wait_for(is_redis_healthy)  # by a connection that is trusted from here on
        (breaker,) = client.topology.breakers.values()
        assert breaker.failures == 0
        node.ask("CONFIG", "SET", "min-replicas-to-write", 1)
        try:
            with pytest.raises(CacheUnavailable, match="NOREPLICAS") as found:
                command()
        finally:
            node.ask("CONFIG", "SET", "min-replicas-to-write", 0)
        assert breaker.failures == 1
        assert isinstance(found.value.__cause__, ResponseError), "a connection made anew would be refused otherwise"
    wait_for(is_redis_healthy)
    assert client.unlink(KEY, OTHER) == 2


def test_those_who_try_again_and_again_do_not_keep_anybody_from_looking_where_the_slots_are(node: Server) -> None:
    client: Any = get_redis_client()
    known = client.topology.slots().nodes_manager

    def look_again() -> bool:
        client.topology.look(known.default_node)
        return known.slots_cache is not before

    before = known.slots_cache
    wait_for(look_again)  # somebody may have looked a moment ago
    before = known.slots_cache
    wait_for(look_again)


def test_a_child_forked_while_its_parent_looks_where_the_slots_are_finds_them_itself(node: Server) -> None:
    client: Any = get_redis_client()
    manager, looking, has_forked = client.topology.slots().nodes_manager, Event(), Event()

    def look() -> None:
        with manager._initialization_lock:
            looking.set()
            has_forked.wait()

    thread = Thread(target=look)
    thread.start()
    looking.wait()
    finds_them = holds_in_child(is_redis_healthy)
    has_forked.set()
    thread.join()
    assert finds_them


def test_a_server_with_many_keys_of_others_is_purged_all_the_same(
    node: Server, set_options: Callable[..., None]
) -> None:
    get_redis_client().set(OTHER, b"old")
    node.ask("EVAL", "#!lua flags=allow-cross-slot-keys\nfor i = 1, 1e5 do redis.call('SET', 'other:' .. i, i) end", 0)
    set_options(socket_timeout_ms=50)  # a purge at once would take longer
    begin_another_run(node)
    with caches_at(f"{address(node)},{HOST}"):  # another URL, so another client
        wait_for(lambda: read_anew().source is Source.REDIS)
    assert not node.ask("EXISTS", OTHER)
