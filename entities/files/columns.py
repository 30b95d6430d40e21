"""The columns of a file, and the headings people use for them."""

from __future__ import annotations

import re

from entities.fields import SETTABLE, field_of

COLUMNS = ("code", *SETTABLE)


def column_of(heading: str) -> str:
    """The column a heading means: in any case, with spaces, or by the form's label; else the heading itself."""
    return _HEADINGS.get(_plain(heading), heading)


def _plain(heading: str) -> str:
    return re.sub(r"[\s_]+", " ", heading).strip().casefold()


_HEADINGS = {
    "children": "child_entity_codes",
    **{_plain(str(field_of(name).verbose_name)): name for name in COLUMNS},
    **{_plain(name): name for name in COLUMNS},
}
