"""Which codes an entity type may have."""

import re
import unicodedata

CODE_PATTERN = r"^[a-z][a-z0-9_]{0,49}$"

RESERVED_CODES = ("cache", "children", "entity", "type", "types")
"""Words in the API's own paths under `entity/`."""


_CODE = re.compile(CODE_PATTERN.removesuffix("$"))


def is_code(text: str) -> bool:
    """Whether `text` can be a code; if not, it is unknown without a lookup."""
    return _CODE.fullmatch(text) is not None and text not in RESERVED_CODES


MAX_LENGTH = 50
_LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l"})
"""Letters that Unicode does not decompose into a base letter and an accent."""


def derive_code(label: str) -> str:
    """`change_request` for `Change Request`; empty if the label yields no letter a to z."""
    letters = unicodedata.normalize("NFKD", label.casefold().translate(_LETTERS))
    plain = "".join(each for each in letters if not unicodedata.combining(each))
    code = re.sub(r"['’]", "", plain)  # noqa: RUF001 - as people type it
    code = re.sub(r"[^a-z0-9]+", "_", code).lstrip("_0123456789").rstrip("_")
    if len(code) <= MAX_LENGTH:
        return code
    whole_words, _, _ = code[: MAX_LENGTH + 1].rpartition("_")
    return whole_words or code[:MAX_LENGTH]
