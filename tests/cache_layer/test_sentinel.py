"""A real primary with replicas and sentinels: failovers are followed, and nothing old comes back with them."""

from collections.abc import Iterator

import pytest

from cache_layer import Source
from cache_layer.inspect import ServerStatus
from cache_layer.inspect.checks import check_server
from cache_layer.server.connection import get_writer_client
from entities.models import Entity
from pmo.run.engines.valkey import HOST
from tests.cache_layer.conftest import caches_at
from tests.cache_layer.project import change_unseen, label_anew, make_project, read_anew
from tests.topologies import Sentinels, running
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    with running(Sentinels(tmp_path_factory.mktemp("sentinels"))) as sentinels:
        yield sentinels


@pytest.fixture
def project(sentinels: Sentinels, committed_db: None) -> Iterator[Entity]:
    with caches_at(sentinels.url):
        yield make_project()


def test_a_failover_is_followed_and_what_the_new_primary_has_is_not_trusted(
    project: Entity, sentinels: Sentinels
) -> None:
    [(before, client)] = get_writer_client().nodes()
    change_unseen("new")
    sentinels.fail_over()
    wait_for(lambda: read_anew().source is Source.REDIS and client.nodes()[0][0] != before)
    assert label_anew() == "new"
    assert ServerStatus.read_nodes().keys() == {f"{HOST}:{sentinels.primary().port}"}
    project.label = "newer"
    project.save()
    assert (label_anew(), read_anew().source) == ("newer", Source.REDIS)


def test_a_primary_that_needs_no_replicas_causes_a_warning(project: Entity, sentinels: Sentinels) -> None:
    assert check_server() == []
    primary = sentinels.primary()
    primary.ask("CONFIG", "SET", "min-replicas-to-write", 0)
    assert [message.id for message in check_server()] == ["cache_layer.W004"]
    primary.ask("CONFIG", "SET", "min-replicas-to-write", 1)
