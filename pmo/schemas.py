"""
The schema version of cached documents.

Servers of two releases share values whose documents differ only in appended members (`entities/releases.py`). Any other
difference needs a new version, whose values have their own keys: see docs/operations.md.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec
from django.core.exceptions import ImproperlyConfigured

from entities.documents import EntityDocument
from pmo.documents import GroupDocument, NameDocument, PersonDocument, SignInDocument, TokenEndDocument

VERSION = 1

RELEASED: dict[Any, dict[int, str]] = {
    EntityDocument: {9: "cffc6068d7e3"},
    PersonDocument: {8: "d7ea1f28f27a"},
    GroupDocument: {2: "9e0412fbef83"},
    SignInDocument: {2: "f836aa1418a7"},
    NameDocument: {2: "ab15d5d4f1c5"},
    TokenEndDocument: {2: "c6a2dbc175bf"},
}
"""Each cached document, with its member counts in the releases of this version and their digests: see `digests`."""


def schema_version(released: Mapping[Any, Mapping[int, str]] = RELEASED) -> int:
    """
    The version of these documents.

    Raises:
        ImproperlyConfigured: they differ from the released ones of this version in more than appended members.
    """
    for kind, known in released.items():
        found = digests(kind)
        if known.items() - found.items():
            number, digest = found.popitem()
            raise ImproperlyConfigured(
                f"{kind.__name__} has other members than in an earlier release, whose servers may run beside this one."
                " Put new ones after the existing ones (in a second release if the column is not new, see"
                " docs/operations.md). Otherwise raise VERSION in pmo/schemas.py by one, and reset RELEASED to"
                f' {{{number}: "{digest}"}}.'
            )
    return VERSION


def digests(kind: Any) -> dict[int, str]:
    """By number of leading members: a digest of their order, names, types and whether they are required."""
    _, components = msgspec.json.schema_components([kind])
    shape = components[kind.__name__]
    members = [(name, each, name in shape["required"]) for name, each in shape["properties"].items()]
    return {
        number: hashlib.blake2b(json.dumps(members[:number]).encode(), digest_size=6).hexdigest()
        for number in range(1, len(members) + 1)
    }
