"""
Environment variables, taken literally: values are neither expanded nor guessed.

An empty variable counts as unset. Each is validated, and errors name the variable.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured

COUNTS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where the processes of one machine share their counts; prometheus-client reads it on first import."""

TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
WHOLE = re.compile("[0-9]{1,20}")
MAX_SHOWN = 60
LOGIN = re.compile(r"(?<=//).*@|^(?!.*//).*:.*@", re.DOTALL)
"""Of a URL, also of one whose beginning is misspelt."""
KUBERNETES = "; Kubernetes has set it for a service of this name: set it yourself, or `enableServiceLinks: false`"


class Kind(NamedTuple):
    """What a variable may hold; `wanted` tells people what to write instead of a value that it does not accept."""

    accepts: Callable[[str], bool]
    wanted: str


ANY = Kind(lambda _: True, "")
FLAG = Kind(lambda value: value.lower() in TRUE + FALSE, "it must be true or false")


class Environment:
    """Each method raises `ImproperlyConfigured` with one line that names the variable and what is accepted."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str = "") -> str:
        """The value as is."""
        value = self._variables.get(name) or default
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ImproperlyConfigured(f"{name} is not UTF-8 text: encode it as UTF-8.") from None
        return value

    def word(self, name: str, kind: Kind, default: str = "") -> str:
        """The value, stripped, if it is of this kind; the default if there is none."""
        text = self.text(name)
        value = text.strip()
        if text and not kind.accepts(value):
            hint = KUBERNETES if value.startswith("tcp://") else ""
            raise ImproperlyConfigured(f"{name} is {shown(value)}: {kind.wanted}{hint}.")
        return value or default

    def items(self, name: str, kind: Kind = ANY, default: Collection[str] = ()) -> list[str]:
        """The comma-separated values, stripped, if all are of this kind."""
        found = [item.strip() for item in self.text(name, ",".join(default)).split(",") if item.strip()]
        for item in found:
            if not kind.accepts(item):
                raise ImproperlyConfigured(f"{name} has {shown(item)}: {kind.wanted}.")
        return found

    def choice(self, name: str, default: str, among: Collection[str]) -> str:
        return self.word(name, Kind(among.__contains__, f"it must be one of {', '.join(among)}"), default)

    def flag(self, name: str, *, default: bool) -> bool:
        return self.word(name, FLAG, str(default)).lower() in TRUE

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number in ASCII digits."""

        def accepts(value: str) -> bool:
            return WHOLE.fullmatch(value) is not None and least <= int(value) <= most

        return int(self.word(name, Kind(accepts, f"it must be a whole number from {least} to {most}"), str(default)))

    def seconds(self, name: str, default: float, least: float, most: float) -> float:
        """A number of seconds, fractions allowed."""

        def accepts(value: str) -> bool:
            try:
                return least <= float(value) <= most
            except ValueError:
                return False

        return float(self.word(name, Kind(accepts, f"it must be a number from {least:g} to {most:g}"), str(default)))


def shown(value: str) -> str:
    """A value for a message, on one line, without the login of a URL."""
    value = LOGIN.sub("***@", value)
    return repr(value if len(value) <= MAX_SHOWN else f"{value[:MAX_SHOWN]}...")
