"""
Sets the wall clock of the Python process that finds this on its path `PMO_SKEW_SECONDS` ahead.

`datetime` and `time.time` are all that asks for it. (libfaketime breaks Python's `time.sleep`, which waits for a point
of the monotonic clock.)
"""

import datetime
import os
import time
from typing import Any

AHEAD_SECONDS = float(os.environ["PMO_SKEW_SECONDS"])
real_time, RealDateTime = time.time, datetime.datetime


class _IsAnyDateTime(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, RealDateTime)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, RealDateTime)


class SkewedDateTime(RealDateTime, metaclass=_IsAnyDateTime):
    """The same, only ahead."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return RealDateTime.now(tz) + datetime.timedelta(seconds=AHEAD_SECONDS)

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now(datetime.UTC).replace(tzinfo=None)


def skewed_time() -> float:
    return real_time() + AHEAD_SECONDS


time.time = skewed_time
time.time_ns = lambda: int(skewed_time() * 1e9)
datetime.datetime = SkewedDateTime  # type: ignore[misc]
