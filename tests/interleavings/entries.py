"""The row that histories are about, and the entries made of it."""

from typing import Any

from cache_layer.lookup import Lookup
from entities.lookups import ENTITY, ENTITY_TYPES
from tests.interleavings.oracle import Content

CODE = "project_35"
BESIDE_CODES = {"1": "beside_1", "2": "beside_33"}
"""The writers' other rows. All of these share one stamp, also with the list."""
FIELDS = {"entity_type": CODE, "label_plural": "Projects", "icon": "FolderKanban"}
ENTRIES: list[tuple[Lookup[Any], str]] = [(ENTITY, CODE), (ENTITY_TYPES, "")]
KEYS = {"the type": ENTITY.key(CODE), "the list": ENTITY_TYPES.key("")}
STAMP = {"the stamp": ENTITY.stamp_key(CODE)}
"""What vouches for both, and for the other rows."""
BESIDE = {f"writer {number}'s other row": ENTITY.key(code) for number, code in BESIDE_CODES.items()}
LEASE_MS = 20


def content_of(lookup: Lookup[Any], document: Any) -> Content:
    """The version that a document carries."""
    if lookup is ENTITY_TYPES:
        document = next((each for each in document if each.code == CODE), None)
    return document and str(document.label)
