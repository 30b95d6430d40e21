"""
Coherent caching of Django models in Redis: no read returns a value that was replaced before the read began.

A project imports from here what it needs to declare, read and write entries; names load on first use, since models need
the settings. Operators' views are in `cache_layer.inspect`, settings in `cache_layer.options`, time limits in
`cache_layer.deadline`, and the WSGI hook in `cache_layer.wsgi`. Everything else is private.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cache_layer.declaring.decorator import coherent
    from cache_layer.errors import (
        CacheUnavailable,
        OtherRelease,
        OutcomeUnknown,
        ReadOnlyEntry,
        UnknownTag,
        WriteRefused,
    )
    from cache_layer.invalidation.queryset import CoherentManager
    from cache_layer.invalidation.triggers import coherence_triggers
    from cache_layer.keys import purge_after_restart
    from cache_layer.lookup import Entry, Lookup, Part, register, registered_lookups
    from cache_layer.memory.local_store import Copy
    from cache_layer.options import get_options
    from cache_layer.origin import COMMAND, current_origin, working_for
    from cache_layer.reading.answered import Read, Source
    from cache_layer.reading.reads import peek_copy, read_entries, read_entry
    from cache_layer.server.connection import close_redis_client, get_writer_client
    from cache_layer.server.location import Location, cache_location
    from cache_layer.serving.express import ADMISSION, Admission, allow_replay
    from cache_layer.upkeep.clearing import clear_entries
    from cache_layer.upkeep.tags import find_tagged, invalidate_tag
    from cache_layer.writing.commit import DrainBeforeCommit
    from cache_layer.writing.writes import hold_entries, holding, invalidate_entries

_FACE = {
    "declaring.decorator": ("coherent",),
    "errors": ("CacheUnavailable", "OtherRelease", "OutcomeUnknown", "ReadOnlyEntry", "UnknownTag", "WriteRefused"),
    "invalidation.queryset": ("CoherentManager",),
    "invalidation.triggers": ("coherence_triggers",),
    "keys": ("purge_after_restart",),
    "lookup": ("Entry", "Lookup", "Part", "register", "registered_lookups"),
    "memory.local_store": ("Copy",),
    "options": ("get_options",),
    "origin": ("COMMAND", "current_origin", "working_for"),
    "reading.answered": ("Read", "Source"),
    "reading.reads": ("peek_copy", "read_entries", "read_entry"),
    "server.connection": ("close_redis_client", "get_writer_client"),
    "server.location": ("Location", "cache_location"),
    "serving.express": ("ADMISSION", "Admission", "allow_replay"),
    "upkeep.clearing": ("clear_entries",),
    "upkeep.tags": ("find_tagged", "invalidate_tag"),
    "writing.commit": ("DrainBeforeCommit",),
    "writing.writes": ("hold_entries", "holding", "invalidate_entries"),
}
_ROOM_OF = {name: f"cache_layer.{room}" for room, names in _FACE.items() for name in names}

__all__ = [
    "ADMISSION", "COMMAND", "Admission", "CacheUnavailable", "CoherentManager", "Copy", "DrainBeforeCommit", "Entry",
    "Location", "Lookup", "OtherRelease", "OutcomeUnknown", "Part", "Read", "ReadOnlyEntry", "Source", "UnknownTag",
    "WriteRefused", "allow_replay", "cache_location", "clear_entries", "close_redis_client", "coherence_triggers",
    "coherent", "current_origin", "find_tagged", "get_options", "get_writer_client", "hold_entries", "holding",
    "invalidate_entries", "invalidate_tag", "peek_copy", "purge_after_restart", "read_entries", "read_entry",
    "register", "registered_lookups", "working_for",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(room), name)
    return found
