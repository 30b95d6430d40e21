"""Which codes an entity type may have."""

import re

CODE_PATTERN = r"^[a-z][a-z0-9_]{0,49}$"

RESERVED_CODES = ("cache", "children", "entity", "type", "types")
"""Words of the API's own paths under `entity/`."""


_CODE = re.compile(CODE_PATTERN.removesuffix("$"))


def is_code(text: str) -> bool:
    """Whether `text` can be a code at all; what can't is unknown without asking anyone."""
    return _CODE.fullmatch(text) is not None and text not in RESERVED_CODES
