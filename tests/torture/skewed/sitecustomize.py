"""
Sets the wall clock of a server that finds this on its path `PMO_SKEW_SECONDS` ahead.

`time.time`, and `datetime.now` where Django and PyJWT ask it, are all by which a server asks for it. (libfaketime is no
help: it breaks Python's `time.sleep`, which waits for a point of the monotonic clock.)
"""

import datetime
import os
import time
from typing import Any

import django.utils.timezone
import jwt.api_jwt

AHEAD_SECONDS = float(os.environ["PMO_SKEW_SECONDS"])
real_time = time.time


class _IsAnyDateTime(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime.datetime)


class SkewedDateTime(datetime.datetime, metaclass=_IsAnyDateTime):
    """What it gives is of the ordinary class."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return datetime.datetime.now(tz) + datetime.timedelta(seconds=AHEAD_SECONDS)


def skewed_time() -> float:
    return real_time() + AHEAD_SECONDS


time.time = skewed_time
time.time_ns = lambda: int(skewed_time() * 1e9)
for module in (django.utils.timezone, jwt.api_jwt):
    module.datetime = SkewedDateTime  # type: ignore[attr-defined, misc]
