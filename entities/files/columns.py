"""The columns of a file, and the headings people have for them."""

from __future__ import annotations

import re

from entities.models import Entity

COLUMNS = (
    "code", "label", "label_plural", "icon", "child_entity_codes", "display_order", "active_flag", "entity_type"
)  # fmt: skip


def column_of(heading: str) -> str:
    """The column that a heading means, in any case, with spaces, or as the form calls it; else the heading itself."""
    return _HEADINGS.get(_plain(heading), heading)


def _plain(heading: str) -> str:
    return re.sub(r"[\s_]+", " ", heading).strip().casefold()


_HEADINGS = {
    "children": "child_entity_codes",
    **{_plain(str(Entity._meta.get_field(name).verbose_name)): name for name in COLUMNS},  # type: ignore[union-attr] # columns, not relations
    **{_plain(name): name for name in COLUMNS},
}
