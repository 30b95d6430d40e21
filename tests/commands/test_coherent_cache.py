"""`coherent_cache` knows every registered lookup, whichever app it is of."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from django.core.management import CommandError
from redis import Redis

from cache_layer.lookup import registered_lookups
from tests.commands import conftest as commands
from tests.conftest import make_entity
from tests.otherapp.models import Rate
from tests.servers import ROOT

pytestmark = pytest.mark.usefixtures("committed_db")


def run(*arguments: str) -> list[str]:
    return commands.run("coherent_cache", *arguments).splitlines()


def test_every_lookup_is_listed_warmed_and_cleared(redis_client: Redis) -> None:
    make_entity("project")
    Rate.objects.bulk_create([Rate(name=name, cents_per_hour=1) for name in ("senior", "lead")])
    redis_client.flushdb()
    assert [line.partition(":")[0] for line in run()] == [lookup.name for lookup in registered_lookups()]
    assert run("rate", "--warm") == ["rate: 2 read"]
    assert run("rate") == ["rate: 2 of otherapp.Rate at rate:*, for 300 s"]
    assert {"entity: 1 read", "entity_types: 1 read", "rate: 2 read"} <= set(run("--warm"))
    assert {"entity: 1 dropped", "entity_types: 1 dropped", "rate: 2 dropped"} <= set(run("--clear"))
    assert redis_client.keys("rate:*") == redis_client.keys("entity:*") == []


def test_mistakes_are_named(redis_down: None) -> None:
    with pytest.raises(CommandError, match=r"no lookup 'rates'; registered: .*entity, "):
        run("rates")
    with pytest.raises(CommandError, match="Try again when Redis answers"):
        run("rate", "--clear")


def test_the_acl_file_lets_every_lookup_of_the_platform_have_its_keys() -> None:
    ours = [lookup.name for lookup in registered_lookups() if not lookup.model.__module__.startswith("tests.")]
    (line,) = run(*ours, "--acl")
    granted = [word[1:] for word in (ROOT / "deploy/redis/users.acl").read_text().split() if word.startswith("~")]
    assert {"~entity:metadata:*", "~{people:user:*}*", "~cache_layer:*"} <= set(line.split())
    assert [word for word in line.split() if not any(fnmatchcase(word[1:], wide) for wide in granted)] == []
