"""
The version of the schema of what is cached, which follows from the documents.

Servers of consecutive versions may run beside each other, each with values of its own: see docs/operations.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import msgspec

from entities.documents import EntityDocument
from pmo.people import GroupDocument, NameDocument, PersonDocument, SignInDocument, TokenEndDocument

DOCUMENTS = (EntityDocument, PersonDocument, GroupDocument, SignInDocument, NameDocument, TokenEndDocument)

RELEASED = ("1d09966e3a65",)
"""The digest of the documents in each version that was deployed, the last one last. What is here is never changed."""


def schema_version(documents: Sequence[Any] = DOCUMENTS, released: Sequence[str] = RELEASED) -> int:
    """The version of these documents: that of the last release, or the next one if they are others than it had."""
    return len(released) + (digest(documents) != released[-1])


def digest(documents: Sequence[Any]) -> str:
    """Tells documents apart by their members, in order, and what these may be."""
    _, components = msgspec.json.schema_components(documents)
    shapes = [(name, each["properties"], each["required"]) for name, each in components.items()]
    return hashlib.blake2b(json.dumps(shapes).encode(), digest_size=6).hexdigest()
