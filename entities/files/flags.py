"""The words that spreadsheets and people have for true and false."""

from __future__ import annotations

import functools
import gettext
from collections.abc import Mapping
from pathlib import Path

from django import conf

TRUE, FALSE = "true", "false"
_SPREADSHEETS = {
    TRUE: "wahr vrai verdadero vero verdadeiro waar sand sann sant tosi prawda pravda igaz истина doğru",
    FALSE: "falsch faux falso onwaar falsk usann falskt epätosi fałsz nepravda hamis ложь yanlış",  # noqa: RUF001 - Turkish
}
"""What Excel writes for TRUE and FALSE where it speaks another language; no library we have knows them."""


def parse_flag(text: str) -> bool:
    """
    True or false, in English, in Excel's words, or as Django translates yes and no.

    Raises:
        ValueError: it is none of those words.
    """
    word = text.strip().casefold()
    known = _WORDS if word in _WORDS else _translations()
    try:
        return known[word]
    except KeyError:
        raise ValueError("Give true or false.") from None


_WORDS = {
    **dict.fromkeys((TRUE, "yes", "1", *_SPREADSHEETS[TRUE].split()), True),
    **dict.fromkeys((FALSE, "no", "0", *_SPREADSHEETS[FALSE].split()), False),
}


@functools.cache
def _translations() -> Mapping[str, bool]:
    """Yes and no in every language of Django; a word that is yes in one and no in another is left out."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for file in (Path(conf.__file__).parent / "locale").glob("*/LC_MESSAGES/django.mo"):
        with file.open("rb") as opened:
            translated = gettext.GNUTranslations(opened).gettext
        short = translated("yes,no,maybe").split(",")
        found[True] |= {word.strip().casefold() for word in (translated("Yes"), *short[:1])}
        found[False] |= {word.strip().casefold() for word in (translated("No"), *short[1:2])}
    return {word: flag for flag, words in found.items() for word in words - found[not flag]}
