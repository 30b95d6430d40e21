"""System checks: report what would break coherence before it does. docs/monitoring.md lists them by their ids."""

from collections.abc import Iterator, Sequence
from typing import Any

import pgtrigger
from django.apps import apps
from django.conf import settings
from django.core.cache import caches
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections, router
from django.db.migrations.loader import MigrationLoader
from django.utils.module_loading import import_string
from redis.exceptions import RedisError

from cache_layer.backend import CoherentCache
from cache_layer.errors import InvalidOptions
from cache_layer.invalidation.after_outbox import writes_to_outbox
from cache_layer.lookup import Part, registered_lookups
from cache_layer.options import Options
from cache_layer.server.connection import GuardedRedis, get_writer_client
from cache_layer.server.distance import find_far_servers

NOTICED_MS = 2_000
"""How late a server may notice it: it counts its replicas once a second and measures their lag in whole seconds."""


@register(Tags.models)
def check_triggers(**_: Any) -> list[CheckMessage]:
    """Every coherent table has triggers that record its changes in the outbox by the identifier field."""
    return [
        Error(
            f"The lookup {lookup.name!r} reads {part.model._meta.label}, which has no coherence triggers"
            f"{f' for {part.field!r}' if part.field else ''}.",
            hint="Add `*coherence_triggers(db_table, field=..., column=...)` to Meta.triggers (of a proxy, if the model"
            " is not yours), and make a migration.",
            obj=part.model,
            id="cache_layer.E001",
        )
        for lookup in registered_lookups()
        for part in lookup.parts
        if not any(_notes(*registered, part) for registered in pgtrigger.registered())
    ]


def _notes(model: Any, trigger: pgtrigger.Trigger, part: Part) -> bool:
    noted = f"'{part.field}'" if part.field else ""
    is_its_table = model._meta.db_table == part.model._meta.db_table
    return is_its_table and str(trigger.name).startswith("record_row") and noted in str(trigger.func)


@register(Tags.models)
def check_databases(**_: Any) -> Iterator[CheckMessage]:
    """The triggers can be installed: pgtrigger is there, and every model is in PostgreSQL."""
    if not apps.is_installed("pgtrigger"):
        hint = "Add 'pgtrigger' to INSTALLED_APPS, and make migrations."
        yield Error("'pgtrigger' is not installed: no migration has the triggers.", hint=hint, id="cache_layer.E004")
    for lookup in registered_lookups():
        alias = router.db_for_write(lookup.model)
        if connections[alias].vendor != "postgresql":
            yield Error(
                f"The lookup {lookup.name!r} reads {lookup.model._meta.label} from {alias!r}, which is not PostgreSQL.",
                hint="Keep the model in PostgreSQL, by DATABASES or a router: its triggers record what Django does not"
                " see.",
                obj=lookup.model,
                id="cache_layer.E005",
            )


@register(Tags.database)
def check_migrations(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Before migrations run: those that create triggers depend on the outbox."""
    loader = MigrationLoader(None)
    return [
        Error(
            f"The migration {app}.{name} creates coherence triggers and does not depend on the outbox they write to.",
            hint='Add ("cache_layer", "0001_outbox") to its dependencies.',
            id="cache_layer.E006",
        )
        for (app, name), migration in loader.disk_migrations.items()
        if databases and any(map(writes_to_outbox, migration.operations)) and (app, name) in loader.graph.nodes
        if not any(before == "cache_layer" for before, _ in loader.graph.forwards_plan((app, name)))
    ]


@register(Tags.caches)
def check_settings(**_: Any) -> list[CheckMessage]:
    """The settings are valid; otherwise the first read or write would fail."""
    try:
        options = Options.of(getattr(settings, "CACHE_LAYER", {}))
    except InvalidOptions as error:
        hint = "Correct it in the settings, or in the environment variable it is read from."
        return [Error(str(error), hint=hint, id="cache_layer.E002")]
    alias = options.cache_alias
    if alias not in settings.CACHES:
        what = f"CACHE_LAYER['cache_alias'] is {alias!r}: CACHES has no such alias."
        hint = "Add it to CACHES, with BACKEND 'cache_layer.backend.CoherentCache'."
        return [Error(what, hint=hint, id="cache_layer.E003")]
    backend = settings.CACHES[alias].get("BACKEND", "")
    try:
        ours = issubclass(import_string(backend), CoherentCache)
    except ImportError:
        ours = False
    if not ours:
        hint = "Set it to 'cache_layer.backend.CoherentCache'; it can do everything that django-redis can."
        return [Error(f"CACHES[{alias!r}]['BACKEND'] is {backend!r}.", hint=hint, id="cache_layer.E003")]
    try:
        caches[alias]
    except (InvalidOptions, ImportError) as error:
        return [Error(f"CACHES[{alias!r}]: {error}", hint="Correct it in CACHES.", id="cache_layer.E003")]
    if options.stale_seconds and not options.fail_safe_seconds:
        what = "CACHE_LAYER['stale_seconds'] has no effect under the write policy 'strict'."
        hint = "Set it to 0, or the policy to `available`: strict rejects what could be old."
        return [Warning(what, hint=hint, id="cache_layer.W005")]
    return []


@register(Tags.caches, deploy=True)
def check_server(**_: Any) -> list[CheckMessage]:
    """Each server keeps keys until they expire, and never across a restart."""
    try:
        nodes = get_writer_client().nodes()
        return [*(message for address, node in nodes for message in _check_node(address, node)), *find_far_servers()]
    except RedisError as error:
        return [
            Warning(
                f"Redis could not be asked how it keeps its keys: {error}",
                hint="Check REDIS_HOST, REDIS_PORT, REDIS_URL and REDIS_PASSWORD, and that the server runs.",
                id="cache_layer.W003",
            )
        ]


def _check_node(address: str, node: GuardedRedis) -> Iterator[CheckMessage]:
    figures: Any = node.info("memory", "persistence")
    configured: Any = node.config_get("save", "min-replicas-*", "cluster-enabled", "cluster-node-timeout")
    if figures["maxmemory_policy"] != "noeviction":
        yield Warning(
            f"Redis ({address}) may evict writers' holds: its maxmemory-policy is {figures['maxmemory_policy']}.",
            hint="Set `maxmemory-policy noeviction`, and enough memory; entries are small and expire.",
            id="cache_layer.W001",
        )
    if figures["aof_enabled"] or configured.get("save"):
        yield Warning(
            f"Redis ({address}) writes to disk what is purged when it restarts.",
            hint='Set `save ""` and `appendonly no`: what another run left is not trusted, and a full disk makes it'
            " refuse changes.",
            id="cache_layer.W002",
        )
    if node.policy.get("replicated") and not int(configured.get("min-replicas-to-write") or 0):
        yield Warning(
            f"Redis ({address}) keeps serving when it is cut off from its replicas.",
            hint="Set `min-replicas-to-write 1` and `min-replicas-max-lag`: see docs/operations.md.",
            id="cache_layer.W004",
        )
    elif configured.get("cluster-enabled") == "yes":
        lag_ms, timeout_ms = int(configured["min-replicas-max-lag"]) * 1_000, int(configured["cluster-node-timeout"])
        if lag_ms + NOTICED_MS > timeout_ms:
            yield Warning(
                f"Redis ({address}) may be replaced before it notices that it is cut off from its replicas.",
                hint="Set `cluster-node-timeout` two seconds above `min-replicas-max-lag`, or more.",
                id="cache_layer.W004",
            )
