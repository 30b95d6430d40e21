"""The words that spreadsheets and people use for true and false."""

from __future__ import annotations

import functools
import gettext
from collections.abc import Mapping
from pathlib import Path

from django import conf

_TRUE = "true yes 1 wahr vrai verdadero vero verdadeiro waar sand sann sant tosi prawda pravda igaz истина doğru"
_FALSE = "false no 0 falsch faux falso onwaar falsk usann falskt epätosi fałsz nepravda hamis ложь yanlış"  # noqa: RUF001 - Turkish
"""In English, and as Excel has them in its other languages; no library we have knows them."""
_WORDS = dict.fromkeys(_TRUE.split(), True) | dict.fromkeys(_FALSE.split(), False)


def parse_flag(text: str) -> bool:
    """
    True or false: in English, in Excel's words, or in Django's translations of yes and no.

    Raises:
        ValueError: none of those words.
    """
    word = text.strip().casefold()
    known = _WORDS if word in _WORDS else _translations()
    try:
        return known[word]
    except KeyError:
        raise ValueError("Give true or false.") from None


@functools.cache
def _translations() -> Mapping[str, bool]:
    """Yes and no in all of Django's languages; words that mean yes in one and no in another are left out."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for file in (Path(conf.__file__).parent / "locale").glob("*/LC_MESSAGES/django.mo"):
        with file.open("rb") as opened:
            translated = gettext.GNUTranslations(opened).gettext
        short = translated("yes,no,maybe").split(",")
        found[True] |= {word.strip().casefold() for word in (translated("Yes"), *short[:1])}
        found[False] |= {word.strip().casefold() for word in (translated("No"), *short[1:2])}
    return {word: flag for flag, words in found.items() for word in words - found[not flag]}
