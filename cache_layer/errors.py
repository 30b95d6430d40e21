"""
What can go wrong, by cause.

    CacheLayerError
    ├── CacheUnavailable    Redis refused, did not answer in time, or would not do its work
    ├── WriteRefused        the strict write policy: readers could not be stopped from serving the old value
    ├── OutcomeUnknown      the database was lost in the middle of a commit
    ├── InvalidOptions      a setting that cannot be used
    ├── InvalidLookup       a lookup, or a `@coherent`, that cannot be used
    ├── ReadOnlyEntry       a verb of Django's caches that a coherent entry does not have
    ├── UnknownTag          a tag that a lookup does not have
    └── OtherRelease        a value that servers of another release have written
"""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError


class CacheLayerError(Exception):
    """Root of every error of this package."""


class CacheUnavailable(CacheLayerError, RedisConnectionError):
    """
    Redis could not be used; what is asked for must come from the database.

    `refused` tells a server that is gone (its connections are refused: whatever it held will be purged when it comes
    back) from one that is silent (others may still be reading from it).
    """

    def __init__(self, message: str, *, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused


class WriteRefused(CacheLayerError):
    """The write policy is `strict` and Redis is silent: nothing was written. Try again later."""


class OutcomeUnknown(CacheLayerError, OperationalError):
    """The database did not answer a commit: the change was made, or will be, or not. Look before trying again."""


class InvalidOptions(CacheLayerError, ImproperlyConfigured):
    """A `CACHE_LAYER` setting is unknown or out of its range."""


class OtherRelease(CacheLayerError, ValueError):
    """
    Another release, whose documents have more members or fewer, has written these bytes.

    Attributes:
        document: of this release's members, which a later one has too; None if some are missing.
    """

    def __init__(self, document: Any) -> None:
        super().__init__("written by another release")
        self.document = document


class InvalidLookup(CacheLayerError, ImproperlyConfigured):
    """What is declared of a model cannot be cached so; the message says what would do."""


class ReadOnlyEntry(CacheLayerError, ValueError):
    """
    A coherent entry's value is made of its rows, and lives as long as its lookup says.

    So `set`, `add`, `touch`, `incr`, a timeout and a version are refused: change the row instead.
    """


class UnknownTag(CacheLayerError, ValueError):
    """There is no such tag; the message, for people, says which there are."""
