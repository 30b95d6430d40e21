"""Django's cache verbs for one lookup: `caches["entity_metadata"].get("project")` gives the decoded document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django_redis.client import DefaultClient

from cache_layer.keys import value_key
from cache_layer.lookup import Entry, Lookup, get_lookup
from cache_layer.reading.reads import read_cached, store_entry
from cache_layer.upkeep.clearing import clear_entries
from cache_layer.writing.writes import invalidate_entries


class CoherentCache(BaseCache):
    """
    A cache whose keys are identifiers and whose values are documents of `OPTIONS["LOOKUP"]`.

    Values live under exactly the lookup's key, with its TTL: no prefix, and none of Django's versions. A `set` is
    refused while a writer holds the key; its value is as fresh as the caller's, so programs read through
    `cache_layer.reading.reads` instead.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.client: DefaultClient = DefaultClient(server, params, self)
        self._lookup_name = params.get("OPTIONS", {}).get("LOOKUP", "entity")

    @property
    def lookup(self) -> Lookup[Any]:
        return get_lookup(self._lookup_name)

    def make_key(self, key: str, version: int | None = None) -> str:
        """The key in Redis, for an identifier."""
        self._refuse_other(version)
        return value_key(self.lookup.key(key))

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        return self.get_many([key], version).get(key, default)

    def get_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        self._refuse_other(version)
        return read_cached(self.lookup, list(keys))

    def set(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._refuse_other(version)
        self._store(key, value, timeout)

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return not self.has_key(key, version) and self._store(key, value, timeout)

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        raise NotImplementedError("An entry's life is its lookup's TTL; it is not prolonged.")

    def delete(self, key: str, version: int | None = None) -> bool:
        self._refuse_other(version)
        return self._invalidate([key]) > 0

    def delete_many(self, keys: Iterable[str], version: int | None = None) -> None:
        self._refuse_other(version)
        self._invalidate(keys)

    def clear(self) -> None:
        """Remove this lookup's keys, by SCAN and UNLINK in batches; nothing else in the database is touched."""
        clear_entries(self.lookup)

    def close(self, **_: Any) -> None:
        self.client.close()

    def _refuse_other(self, version: int | None) -> None:
        if version not in (None, self.version):
            raise ValueError(f"Entries have no versions of Django's: leave version={version} away.")

    def _invalidate(self, keys: Iterable[str]) -> int:
        return invalidate_entries([Entry(self.lookup, key) for key in keys])

    def _store(self, key: str, value: Any, timeout: Any) -> bool:
        if timeout is not DEFAULT_TIMEOUT and timeout != self.default_timeout:
            raise ValueError(f"Every entry lives {self.default_timeout} s; it can't be stored with another time-out.")
        return store_entry(self.lookup, key, value)
