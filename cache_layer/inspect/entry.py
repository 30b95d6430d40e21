"""Shows one entry as each place has it, without reading through, filling, renewing or counting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from cache_layer.lookup import Lookup, load, outbox_alias
from cache_layer.reading.answered import encode_loaded
from cache_layer.upkeep.audit import GRACE_SECONDS
from cache_layer.writing.outbox import find_changes

Looked = TypeVar("Looked")


def read_committed(lookup: Lookup[Any], identifier: str) -> bytes:
    """The document's bytes from the primary database; empty if there is no document."""
    return encode_loaded(lookup, load(lookup, [identifier])[identifier])


def count_untold(lookup: Lookup[Any], identifier: str) -> int:
    """How many committed changes of this entry Redis has not been told of yet."""
    return len(find_changes(lookup, [identifier], using=outbox_alias()).get(identifier, ()))


def look_twice(look: Callable[[], Looked], is_odd: Callable[[Looked], bool]) -> Looked:
    """The result of `look`, repeated a moment later if it is odd, since a change under way is not a fault."""
    found = look()
    if is_odd(found):
        time.sleep(GRACE_SECONDS)
        found = look()
    return found
