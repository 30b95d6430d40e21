"""
What operators look at: entries, the server, counters and health. Looking changes nothing.

Dashboards, commands and monitoring outside this package import only what is declared here.
"""

from cache_layer.activity import fold_reads
from cache_layer.counting.analytics import EntryActivity, Series, Span, read_activity, read_series
from cache_layer.counting.questions import Answer, ask, digest_of, look_into_memory, read_answers
from cache_layer.inspect.entry import count_untold, look_twice, read_committed
from cache_layer.inspect.health import Health, look_at_health
from cache_layer.inspect.memo import Kept
from cache_layer.inspect.problems import find_in_redis, forget_counted_problems
from cache_layer.inspect.recent import STEPS, Recent, read_recent
from cache_layer.inspect.server import (
    Amount,
    LookupState,
    Node,
    ServerStatus,
    count_roughly,
    read_lookups,
    read_nodes,
    read_server,
)
from cache_layer.inspect.states import EntryState, Kind, Stored, look_at_entries, read_states, read_stored, redis_key
from cache_layer.server.connection import is_redis_healthy
from cache_layer.upkeep.audit import agrees_across_releases, audit_cache
from cache_layer.writing.outbox import Backlog, measure_backlog

__all__ = [
    "STEPS",
    "Amount",
    "Answer",
    "Backlog",
    "EntryActivity",
    "EntryState",
    "Health",
    "Kept",
    "Kind",
    "LookupState",
    "Node",
    "Recent",
    "Series",
    "ServerStatus",
    "Span",
    "Stored",
    "agrees_across_releases",
    "ask",
    "audit_cache",
    "count_roughly",
    "count_untold",
    "digest_of",
    "find_in_redis",
    "fold_reads",
    "forget_counted_problems",
    "is_redis_healthy",
    "look_at_entries",
    "look_at_health",
    "look_into_memory",
    "look_twice",
    "measure_backlog",
    "read_activity",
    "read_answers",
    "read_committed",
    "read_lookups",
    "read_nodes",
    "read_recent",
    "read_series",
    "read_server",
    "read_states",
    "read_stored",
    "redis_key",
]
