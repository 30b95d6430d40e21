"""What can go wrong, by cause; `CacheLayerError` is the root."""

from collections.abc import Callable
from typing import Any, Self

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError


class CacheLayerError(Exception):
    """Root of every error of this package."""


class CacheUnavailable(CacheLayerError, RedisConnectionError):
    """
    Redis refused the connection, did not answer in time or accepts no writes: read from the database instead.

    `refused` is true if the server is gone (it refuses connections, and its data will be purged when it comes back),
    false if it is silent (others may still be reading from it).
    """

    def __init__(self, message: str, *, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused


class WriteRefused(CacheLayerError):
    """Nothing was written: Redis is silent, and readers could keep the old value (policy `strict`). Try again later."""


class OutcomeUnknown(CacheLayerError, OperationalError):
    """The database was lost in the middle of a COMMIT, which may or may not take effect. Check before trying again."""


class InvalidOptions(CacheLayerError, ImproperlyConfigured):
    """A `CACHE_LAYER` setting is unknown or out of range, or an alias in `CACHES` cannot be connected as it says."""


class OtherRelease(CacheLayerError, ValueError):
    """
    Another release wrote these bytes, and its documents have more or fewer members.

    Attributes:
        document: made of this release's members; None if the bytes lack some of them.
        agrees_with: whether a document of this release has the same values in all members that both have.
    """

    def __init__(self, document: Any, agrees_with: Callable[[Any], bool]) -> None:
        super().__init__("written by another release")
        self.document = document
        self.agrees_with = agrees_with

    @staticmethod
    def begins_with(payload: bytes, first: bytes) -> bool:
        """Whether a JSON object has the members of another first, in the same bytes, and more behind them."""
        return payload.startswith(first[:-1] + b",")

    @classmethod
    def agree(cls, one: bytes, other: bytes) -> bool:
        """Whether two JSON objects, one of which may have more members behind, are the same in what both have."""
        return one == other or cls.begins_with(one, other) or cls.begins_with(other, one)


class InvalidLookup(CacheLayerError, ImproperlyConfigured):
    """A model cannot be cached as declared; the message says how to fix it."""

    @classmethod
    def of(cls, model: Any, why: str) -> Self:
        """The error of a model class's `@coherent`."""
        return cls(f"@coherent of {model._meta.label}: {why}")


class ReadOnlyEntry(CacheLayerError, ValueError):
    """
    A coherent entry is built from its rows and expires after its lookup's TTL.

    So `set`, `add`, `touch`, `incr`, timeouts and versions are refused: change the row instead.
    """


class UnknownTag(CacheLayerError, ValueError):
    """The lookup has no such tag; the message, meant for users, lists the ones it has."""
