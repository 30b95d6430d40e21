"""
System checks: what would break the promise, said before it does.

    cache_layer.E001  a lookup's model has no triggers: changes behind Django's back would go unnoticed
    cache_layer.W001  the server may evict holds
    cache_layer.W002  the server keeps snapshots or a log of what is purged at its restart anyway
    cache_layer.W003  the server could not be asked
"""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from redis.exceptions import RedisError

from cache_layer.connection import get_writer_client
from cache_layer.lookup import registered_lookups


@register(Tags.models)
def check_triggers(**_: Any) -> list[CheckMessage]:
    """Every coherent table notes its changes in the outbox."""
    return [
        Error(
            f"The lookup {lookup.name!r} reads {lookup.model._meta.label}, which has no coherence triggers.",
            hint="Add `*coherence_triggers(db_table, field=..., column=...)` to Meta.triggers and make a migration.",
            obj=lookup.model,
            id="cache_layer.E001",
        )
        for lookup in registered_lookups()
        if "record_row" not in {trigger.name for trigger in getattr(lookup.model._meta, "triggers", ())}
    ]


@register(Tags.caches, deploy=True)
def check_server(**_: Any) -> list[CheckMessage]:
    """The server keeps what it is given until it expires, and no longer than it runs."""
    client = get_writer_client()
    try:
        memory: Any = client.info("memory")
        persistence: Any = client.info("persistence")
        snapshots: Any = client.config_get("save")
    except RedisError as error:
        return [
            Warning(
                f"Redis could not be asked how it keeps its keys: {error}",
                hint="Check REDIS_HOST, REDIS_PORT and REDIS_PASSWORD, and that the server runs.",
                id="cache_layer.W003",
            )
        ]
    messages: list[CheckMessage] = []
    if memory["maxmemory_policy"] != "noeviction":
        messages.append(
            Warning(
                f"Redis may evict writers' holds: its maxmemory-policy is {memory['maxmemory_policy']}.",
                hint="Set `maxmemory-policy noeviction`, and enough memory; entries are small and expire.",
                id="cache_layer.W001",
            )
        )
    if persistence["aof_enabled"] or snapshots.get("save"):
        messages.append(
            Warning(
                "Redis writes to disk what is purged when it restarts.",
                hint='Set `save ""` and `appendonly no`: nothing that another run of the server left is trusted.',
                id="cache_layer.W002",
            )
        )
    return messages
