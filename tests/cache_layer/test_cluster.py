"""A real cluster: every entry on its node, slots that move, nodes that die and come back."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from threading import Event
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection, transaction
from prometheus_client import REGISTRY
from redis.crc import key_slot

from cache_layer import Source
from cache_layer.errors import CacheUnavailable, WriteRefused
from cache_layer.inspect import Amount, ServerStatus
from cache_layer.inspect.checks import check_server
from cache_layer.keys import holds_key, value_key
from cache_layer.memory.local_store import drop_all_copies
from cache_layer.models import Change
from cache_layer.protocol.scripts import (
    HoldRelease,
    Invalidated,
    Released,
    hold_keys,
    invalidate_keys,
    read_stamps,
    release_keys,
)
from cache_layer.reading.reads import read_entries
from cache_layer.server import failover
from cache_layer.server.cluster import ClusterRedis
from cache_layer.server.connection import get_redis_client, get_writer_client, is_redis_healthy
from cache_layer.server.line import Line
from cache_layer.server.topology import Topology
from cache_layer.upkeep.audit import audit_cache
from cache_layer.upkeep.clearing import clear_entries
from cache_layer.upkeep.relay import relay_changes
from entities.lookups import ENTITY
from entities.models import Entity
from pmo.run.engines.valkey import HOST
from tests.cache_layer.conftest import caches_at, stopped
from tests.cache_layer.project import KEY, change, change_unseen, empty, label_anew, make_project, read_anew
from tests.conftest import make_entity
from tests.threads import beside, in_another_thread
from tests.topologies import SHARDS, SLOTS, Cluster, Server, running
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("committed_db", "in_cluster")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(Cluster(tmp_path_factory.mktemp("cluster"))) as cluster:
        yield cluster


@pytest.fixture
def in_cluster(cluster: Cluster) -> Iterator[None]:
    wait_for(cluster.is_whole)
    with caches_at(cluster.url):
        wait_for(is_redis_healthy)
        empty()
        yield


@pytest.fixture
def project(in_cluster: None, committed_db: None) -> Entity:
    return make_project()


def codes_of_every_shard() -> list[str]:
    """Two codes for each of the first primaries."""
    names = (f"type{number}" for number in count())
    found: dict[int, list[str]] = {shard: [] for shard in range(SHARDS)}
    while any(len(codes) < 2 for codes in found.values()):
        name = next(names)
        codes = found[key_slot(ENTITY.key(name).encode()) * SHARDS // SLOTS]
        codes += [name] if len(codes) < 2 else []
    return [code for codes in found.values() for code in codes]


@pytest.mark.proof
def test_to_clear_an_alias_removes_its_keys_from_every_node_and_nothing_else() -> None:
    caches["default"].set_many({f"many{number}": number for number in range(50)})
    caches["sessions"].set_many({f"many{number}": number for number in range(50)})
    caches["default"].clear()
    assert list(caches["default"].iter_keys("*")) == []
    assert len(list(caches["sessions"].iter_keys("*"))) == 50


def test_entries_on_all_nodes_are_read_written_cleared_and_looked_at_as_on_one_server() -> None:
    codes = codes_of_every_shard()
    for code in codes:
        make_entity(code)
    empty()
    for source in (Source.DATABASE, Source.REDIS):
        drop_all_copies()
        assert {one.source for one in read_entries(ENTITY, codes).values()} == {source}
    Entity.objects.filter(code__in=codes).update(label="new")
    drop_all_copies()
    found = read_entries(ENTITY, codes).values()
    assert {(one.source, one.document and one.document.label) for one in found} == {(Source.REDIS, "new")}
    hold_keys([ENTITY.key(codes[0])], "somebody")
    assert len(ServerStatus.read_nodes()) == SHARDS
    assert (Amount.measure().values["entity"], Amount.measure().holds) == (len(codes) - 1, 1)
    assert audit_cache().mismatches == ()
    assert clear_entries(ENTITY) == len(codes) - 1
    caches["default"].set_many({"a": 1, "b": [2], "c": None})
    assert caches["default"].get_many(["a", "b", "d"]) == {"a": 1, "b": [2]}


def test_while_a_slot_is_moved_readers_go_past_the_cache_and_a_writer_waits(project: Entity, cluster: Cluster) -> None:
    begin = cluster.primary_of(KEY)
    move, failures = cluster.begin_move(KEY, cluster.servers[-1]), _failures()
    with beside(lambda: change(project, "new")) as saving:
        for _ in range(5):
            assert read_anew().document is not None
        assert not saving.done()
        wait_for(lambda: _failures() > failures)
        client: Any = get_redis_client()
        assert not any(breaker.failures for breaker in client.topology.breakers.values())  # the node is well
        move.end()
    assert label_anew() == "new"
    assert read_anew().source is Source.REDIS
    back = cluster.begin_move(KEY, begin)
    get_redis_client().delete(KEY)
    assert (read_anew().source, label_anew()) == (Source.BYPASS, "new")
    back.end()
    assert [read_anew().source for _ in range(2)] == [Source.DATABASE, Source.REDIS]


@pytest.mark.proof
def test_what_a_slot_brings_to_a_node_that_is_new_is_not_trusted(project: Entity, cluster: Cluster) -> None:
    begin, new = cluster.primary_of(KEY), cluster.servers[-1]
    new.ask("SCRIPT", "FLUSH")
    failover._purged_at.clear()
    move = cluster.begin_move(KEY, new)
    move.move_keys()
    assert get_redis_client().get(KEY) is None
    move.end()
    assert get_redis_client().pipeline().exists(KEY).execute() == [0]  # the node that had it says where it is
    cluster.begin_move(KEY, begin).end()


def test_what_a_promoted_replica_has_is_not_trusted(
    project: Entity, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_unseen("new")
    before = cluster.primary_of(KEY)
    cluster.take_over(cluster.replica_of(before))
    wait_for(before.follows)
    now = monotonic()
    monkeypatch.setattr(failover, "monotonic", lambda: now)

    def refusal() -> str:
        try:
            get_writer_client().get(KEY)
        except CacheUnavailable as error:
            return str(error)
        return ""

    wait_for(lambda: "took over a moment ago" in refusal())  # others may trust its predecessor
    now += 0.99
    assert "took over a moment ago" in refusal()
    assert label_anew() == "new"
    now += 0.02
    wait_for(lambda: not refusal())
    assert get_writer_client().get(KEY) is None
    wait_for(lambda: read_anew().source is Source.REDIS)
    assert label_anew() == "new"


def test_a_hold_that_a_promoted_replica_has_is_lost(project: Entity, cluster: Cluster) -> None:
    """Its writer waits once more: where it is not known to have been all the time, readers may have made copies."""
    hold_keys([KEY], "a writer")
    replica = cluster.replica_of(cluster.primary_of(KEY))
    cluster.take_over(replica)
    assert replica.ask("EXISTS", holds_key(KEY)) == 1
    assert read_anew().source is Source.BYPASS  # it is not to be used yet
    wait_for(is_redis_healthy)
    assert release_keys([HoldRelease(KEY, "a writer", True, b"", 300)]) == {KEY: Released.LOST}


@pytest.mark.proof
def test_a_primary_that_was_replaced_and_is_back_is_not_trusted_by_connections_it_has_had(
    project: Entity, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cluster.primary_of(KEY)
    second = cluster.replica_of(first)
    old = get_redis_client().get(KEY)
    cluster.take_over(second)
    wait_for(first.follows)
    change_unseen("new")
    second.ask("SET", KEY, old)
    second.ask("WAIT", 1, 1_000)
    cluster.take_over(first)
    monkeypatch.setattr(failover, "TRUSTED_SECONDS", 0.0)  # each command compares the server first
    assert label_anew() == "new"


@pytest.mark.proof
def test_a_slot_that_migrates_at_once_brings_its_value_and_its_holds(project: Entity, cluster: Cluster) -> None:
    begin = cluster.primary_of(KEY)
    cluster.migrate(KEY, another(cluster, begin))
    if cluster.primary_of(KEY) is begin:
        pytest.skip("the server cannot do that")
    assert (read_anew().source, label_anew()) == (Source.REDIS, "old")
    with transaction.atomic():
        Entity.objects.update(label="new")
        cluster.migrate(KEY, begin)
        assert in_another_thread(lambda: read_anew().source) is Source.BYPASS
    assert (read_anew().source, label_anew()) == (Source.REDIS, "new")


def test_what_moves_while_all_is_cleared_is_cleared(
    project: Entity, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, look_at_nodes = cluster.primary_of(KEY), ClusterRedis.nodes
    target = another(cluster, source)
    moves = [target]

    def move(**_: Any) -> tuple[()]:
        while moves:
            cluster.begin_move(KEY, moves.pop()).end()
        return ()

    def nodes(client: ClusterRedis) -> list[tuple[str, Any]]:
        """The slot moves when the node has been scanned that it moves to, and the one that has it has not."""
        found: dict[str, Any] = dict(look_at_nodes(client))
        first = f"{HOST}:{target.port}"
        return [(first, found.pop(first)), ("on its way", SimpleNamespace(scan_iter=move)), *found.items()]

    monkeypatch.setattr(ClusterRedis, "nodes", nodes)
    clear_entries(ENTITY)
    monkeypatch.undo()
    assert not moves
    assert get_redis_client().get(KEY) is None
    cluster.begin_move(KEY, source).end()


def test_a_node_that_does_not_answer_costs_its_own_entries_alone(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = codes_of_every_shard()
    for code in codes:
        make_entity(code)
    read_entries(ENTITY, codes)
    drop_all_copies()
    silent = cluster.primary_of(ENTITY.key(codes[0])).process
    assert silent is not None
    with stopped(silent.pid, seconds=60):
        has_read, waited = Event(), []
        with monkeypatch.context() as patched:
            patched.setattr(Topology, "look", lambda *_: waited.append(has_read.wait(10)))
            found = read_entries(ENTITY, codes)
        assert waited == [], "a reader has waited for others' slots to be looked up"
        has_read.set()
        lost = {code for code in codes if cluster_slot(ENTITY.key(code)) == cluster_slot(ENTITY.key(codes[0]))}
        assert {code for code, one in found.items() if one.source is Source.BYPASS} == lost
        assert {one.source for code, one in found.items() if code not in lost} == {Source.REDIS}
        assert not is_redis_healthy()
        here, there = codes[0], next(code for code in codes if code not in lost)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE app.entity SET label = 'new' WHERE code = %s", [here])
            assert relay_changes() == Change.objects.count() == 1  # by itself, too
            Change.objects.create(table_name=Entity._meta.db_table, field="", identifier="")  # as TRUNCATE does
            cursor.execute("UPDATE app.entity SET label = 'new' WHERE code = %s", [there])
        with pytest.raises(CacheUnavailable):
            relay_changes()
        assert label_anew(there) == "new"
        nonces = read_stamps(ENTITY.stamp_keys(), "a nonce", 60)
        stamps = [stamp for stamp, nonce in nonces.items() if nonce]
        assert {cluster_slot(stamp) for stamp in stamps} == {*range(SHARDS)} - {cluster_slot(ENTITY.key(here))}
        with pytest.raises(CacheUnavailable):
            invalidate_keys([ENTITY.key(here)], stamps)
        with pytest.raises(CacheUnavailable):
            release_keys(
                [HoldRelease(ENTITY.key(here), "a writer")], [HoldRelease(stamp, "a writer") for stamp in stamps]
            )
        assert read_stamps(stamps, "the next", 60) == {stamp: nonces[stamp] for stamp in stamps}, (
            "the entry comes first"
        )
    wait_for(is_redis_healthy)
    assert relay_changes() == Change.objects.count() == 0
    assert label_anew(here) == "new"


@pytest.mark.proof
def test_a_node_that_refuses_connections_does_not_let_a_writer_go_on_at_once(
    project: Entity, cluster: Cluster, set_options: Callable[..., None]
) -> None:
    set_options(write_policy="strict", write_budget_ms=200)
    dead = cluster.primary_of(KEY)
    dead.kill()
    try:
        with pytest.raises(WriteRefused):  # its replica may be serving already
            project.save()
    finally:
        dead.start()
    wait_for(is_redis_healthy)


def test_a_primary_without_its_replicas_is_not_read_where_it_must_have_some(
    project: Entity, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover, "TRUSTED_SECONDS", 0.0)  # each command compares the server first
    primary = cluster.primary_of(KEY)
    primary.ask("CONFIG", "SET", "min-replicas-to-write", 2)
    try:
        assert read_anew().source is Source.BYPASS
    finally:
        primary.ask("CONFIG", "SET", "min-replicas-to-write", 1)
    wait_for(lambda: read_anew().source is Source.REDIS)


def test_primaries_that_would_be_replaced_before_they_notice_are_warned_of(cluster: Cluster) -> None:
    try:
        for timeout_ms, warnings in ((4_900, {"cache_layer.W004"}), (5_000, set())):
            for server in cluster.servers:
                server.ask("CONFIG", "SET", "cluster-node-timeout", timeout_ms)
            assert {message.id for message in check_server()} == warnings
    finally:
        for server in cluster.servers:
            server.ask("CONFIG", "SET", "cluster-node-timeout", 2_000)


def test_scripts_that_a_node_has_lost_are_sent_again(cluster: Cluster) -> None:
    keys = [ENTITY.key(code) for code in codes_of_every_shard()]
    for server in cluster.servers:
        server.ask("SCRIPT", "FLUSH")
    wait_for(lambda: set(invalidate_keys(keys, unless_held=keys).values()) == {Invalidated.NOTHING})


def another(cluster: Cluster, primary: Server) -> Server:
    """Another primary that has a replica."""
    return next(server for server in cluster.servers[:-1] if server.is_primary() and server is not primary)


def test_a_thread_that_renews_stamps_asks_every_node_for_its_own() -> None:
    keys = ENTITY.stamp_keys()
    for key in keys:
        get_redis_client().set(key, key)
    with closing(Line()) as line:
        assert dict(line.mget(frozenset(keys))) == {key: key.encode() for key in keys}


def cluster_slot(key: str) -> int:
    return key_slot(value_key(key).encode()) * SHARDS // SLOTS


def _failures() -> float:
    return REGISTRY.get_sample_value("cache_redis_failures_total", {"kind": "silent"}) or 0.0
