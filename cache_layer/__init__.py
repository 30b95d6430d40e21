"""
Coherent caching of Django models in Redis: no read returns a value that was replaced before the read began.

A project imports from here what it needs to declare, read and write entries; names load on first use, since models need
the settings. `cache_layer.deadline` bounds what a request waits for, `cache_layer.origin` names who changes something,
`cache_layer.wsgi` serves, and operators look through `cache_layer.inspect`. Everything else is private.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cache_layer.declaring.decorator import coherent
    from cache_layer.declaring.entries import CoherentLookup, Entries
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
    from cache_layer.options import Options
    from cache_layer.reading.answered import Read, Source
    from cache_layer.server.location import Location
    from cache_layer.serving.express import Admission
    from cache_layer.writing.commit import DrainBeforeCommit

_FACE = {
    "declaring.decorator": ("coherent",),
    "declaring.entries": ("CoherentLookup", "Entries"),
    "errors": ("CacheUnavailable", "OtherRelease", "OutcomeUnknown", "ReadOnlyEntry", "UnknownTag", "WriteRefused"),
    "invalidation.queryset": ("CoherentManager",),
    "invalidation.triggers": ("coherence_triggers",),
    "options": ("Options",),
    "reading.answered": ("Read", "Source"),
    "server.location": ("Location",),
    "serving.express": ("Admission",),
    "writing.commit": ("DrainBeforeCommit",),
}
_ROOM_OF = {name: f"cache_layer.{room}" for room, names in _FACE.items() for name in names}

__all__ = [
    "Admission", "CacheUnavailable", "CoherentLookup", "CoherentManager", "DrainBeforeCommit", "Entries", "Location",
    "Options", "OtherRelease", "OutcomeUnknown", "Read", "ReadOnlyEntry", "Source", "UnknownTag", "WriteRefused",
    "coherence_triggers", "coherent",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(room), name)
    return found
