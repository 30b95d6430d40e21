"""
Environment variables, taken literally: values are neither expanded nor guessed.

An empty variable counts as unset. Each is validated, and errors name the variable.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping

from django.core.exceptions import ImproperlyConfigured

COUNTS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where the processes of one machine share their counts; prometheus-client reads it on first import."""

TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
MAX_NUMBER_LENGTH = 20
MAX_SHOWN = 60
LOGIN = re.compile(r"(?<=//).*@", re.DOTALL)
KUBERNETES = "; Kubernetes has set it for a service of this name: set it yourself, or `enableServiceLinks: false`"


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

    def choice(self, name: str, default: str, among: Collection[str]) -> str:
        value = self.text(name, default).strip()
        if value not in among:
            raise ImproperlyConfigured(f"{name} is {shown(value)}: it must be one of {', '.join(among)}.")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.text(name, str(default)).strip().lower()
        if value not in TRUE + FALSE:
            raise ImproperlyConfigured(f"{name} is {shown(value)}: it must be true or false.")
        return value in TRUE

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number in ASCII digits."""
        value = self.text(name, str(default)).strip()
        digits = value.isascii() and value.isdigit() and len(value) <= MAX_NUMBER_LENGTH
        if not (digits and least <= int(value) <= most):
            hint = KUBERNETES if value.startswith("tcp://") else ""
            raise ImproperlyConfigured(
                f"{name} is {shown(value)}: it must be a whole number from {least} to {most}{hint}."
            )
        return int(value)

    def seconds(self, name: str, default: float, least: float, most: float) -> float:
        """A number of seconds, fractions allowed."""
        value = self.text(name, str(default)).strip()
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not least <= seconds <= most:
            raise ImproperlyConfigured(f"{name} is {shown(value)}: it must be a number from {least:g} to {most:g}.")
        return seconds

    def items(self, name: str, default: Collection[str] = ()) -> list[str]:
        """The comma-separated values, stripped."""
        return [item.strip() for item in self.text(name, ",".join(default)).split(",") if item.strip()]


def shown(value: str) -> str:
    """A value for a message, on one line, without the login of a URL."""
    value = LOGIN.sub("***@", value)
    return repr(value if len(value) <= MAX_SHOWN else f"{value[:MAX_SHOWN]}...")
