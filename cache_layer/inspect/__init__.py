"""
What operators look at: entries, the server, counters and health. Looking changes nothing.

Dashboards, commands and monitoring outside this package import only what is declared here.
"""

from cache_layer.counting.analytics import Series, Span
from cache_layer.inspect.entry import EntryView, Stored
from cache_layer.inspect.health import Health
from cache_layer.inspect.memo import Memo
from cache_layer.inspect.server import Amount, LookupState, ServerStatus
from cache_layer.inspect.states import EntryActivity, EntryState, Kind
from cache_layer.writing.outbox import Backlog

__all__ = [
    "Amount",
    "Backlog",
    "EntryActivity",
    "EntryState",
    "EntryView",
    "Health",
    "Kind",
    "LookupState",
    "Memo",
    "Series",
    "ServerStatus",
    "Span",
    "Stored",
]
