"""One entry, as each of its holders has it; nothing is read through, filled, renewed or counted for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from cache_layer.lookup import Lookup, load, outbox_alias
from cache_layer.upkeep.audit import GRACE_SECONDS
from cache_layer.writing.outbox import find_changes

Looked = TypeVar("Looked")


def read_committed(lookup: Lookup[Any], identifier: str) -> bytes:
    """The document's bytes as the primary database has it now; empty if it has none that may be cached."""
    document = load(lookup, [identifier])[identifier].document
    return lookup.encode(document) if document is not None else b""


def count_untold(lookup: Lookup[Any], identifier: str) -> int:
    """How many committed changes of this entry Redis has not been told of."""
    return len(find_changes(lookup, [identifier], using=outbox_alias()).get(identifier, ()))


def look_twice(look: Callable[[], Looked], is_odd: Callable[[Looked], bool]) -> Looked:
    """What a look finds; something odd is looked at again a moment later, since a change under way is no fault."""
    found = look()
    if is_odd(found):
        time.sleep(GRACE_SECONDS)
        found = look()
    return found
