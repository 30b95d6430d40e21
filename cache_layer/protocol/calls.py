"""Runs the Lua scripts: one call or many at once, on one server or on a cluster's nodes."""

import functools
import hashlib
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError, RedisError

from cache_layer.errors import CacheUnavailable
from cache_layer.server.cluster import ClusterRedis
from cache_layer.server.connection import GuardedRedis
from cache_layer.server.run_id import lua_source

BATCH_KEYS = 200
"""Entries per round trip of a batch, which blocks the server for about a millisecond."""


class Call(NamedTuple):
    """One script's keys and arguments."""

    keys: tuple[str, ...]
    arguments: tuple[Any, ...]


def run_script(
    client: GuardedRedis, name: str, calls: Sequence[Call], *, unanswered: Any = None, last: int = 0
) -> list[Any]:
    """
    Run one script for every call, in order, `BATCH_KEYS` calls per round trip (in a cluster, one round trip per node).

    Args:
        unanswered: the reply to assume for calls to a cluster's nodes that fail; None raises.
        last: how many calls, at the end, must run after all the others, in a cluster too.
    """
    answers: list[Any] = []
    if last and isinstance(client, ClusterRedis):
        answers, calls = run_script(client, name, calls[:-last], unanswered=unanswered), calls[-last:]
    for start in range(0, len(calls), BATCH_KEYS):
        batch = calls[start : start + BATCH_KEYS]
        if isinstance(client, ClusterRedis) and (len(batch) > 1 or unanswered is not None):
            answers += _evaluate_each(client, script_source(name), batch, unanswered)
        elif len(batch) == 1:
            answers.append(evaluate(client, script_source(name), *batch[0]))
        else:
            keys = list(chain.from_iterable(call.keys for call in batch))
            arguments = list(chain.from_iterable(call.arguments for call in batch))
            sizes = (len(batch[0].keys), len(batch[0].arguments))
            answers += evaluate(client, script_source(name, each=True), keys, [*sizes, *arguments])
    return answers


@functools.cache
def script_source(name: str, *, each: bool = False) -> str:
    """The text of a script for one entry, or wrapped to run for several (`each`)."""
    one = lua_source(name)
    return lua_source("each").replace("\n%s\n", f"\n{one}\n") if each else one


def evaluate(client: Any, source: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
    """Run a script by its digest, or by its text (which loads it) if the server lacks it."""
    try:
        return client.evalsha(_digest(source), len(keys), *keys, *arguments)
    except NoScriptError:  # nothing has run: the server restarted or flushed its scripts
        return client.eval(source, len(keys), *keys, *arguments)


def _evaluate_each(client: ClusterRedis, source: str, calls: Sequence[Call], unanswered: Any) -> list[Any]:
    """Run one script for entries on several nodes, which no single call can reach."""
    digest = _digest(source)
    answers = client.run([(("EVALSHA", digest, len(keys), *keys, *arguments), {}) for keys, arguments in calls])
    for place, (answer, call) in enumerate(zip(answers, calls, strict=True)):
        if isinstance(answer, NoScriptError):
            answers[place] = evaluate(client, source, *call)
        elif isinstance(answer, CacheUnavailable) and unanswered is not None:
            answers[place] = unanswered
        elif isinstance(answer, RedisError):
            raise answer
    return answers


@functools.cache
def _digest(source: str) -> str:
    return hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
