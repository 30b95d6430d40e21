"""The regular English plural of a label: suggested in the browser, and the default if none is given."""

import re

PLURAL_RULES = (
    (r"[^aeiou\s]y$", "ies", 1),
    (r"(s|x|z|ch|sh)$", "es", 0),
    (r"\S$", "s", 0),
)
"""Patterns in order of precedence, the suffix, and how many letters are cut off first."""


def suggest_plural(label: str) -> str:
    """`Companies` for `Company`; empty for an empty label."""
    for pattern, ending, cut in PLURAL_RULES:
        if re.search(pattern, label, re.IGNORECASE):
            return label[: len(label) - cut] + ending
    return ""
