"""
Django's cache API over coherent entries, which are read through and never stale; django-redis handles all other keys.

    caches["default"].get("rate:senior")          an entry of the lookup with the key pattern `rate:{}`
    caches["default"].set("report", {...}, 60)    an ordinary key

An alias whose OPTIONS name a LOOKUP has only its entries, by identifier: `caches["rates"].get("senior")`.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django_redis.cache import RedisCache
from django_redis.util import CacheKey

from cache_layer.errors import InvalidOptions, ReadOnlyEntry
from cache_layer.keys import is_text, value_key
from cache_layer.lookup import Entry, find_lookup, get_lookup, registered_lookups
from cache_layer.options import get_options
from cache_layer.reading.asynchronous import aread_documents
from cache_layer.reading.reads import read_entries
from cache_layer.server.location import guarded_location
from cache_layer.upkeep.clearing import clear_entries
from cache_layer.upkeep.own_keys import OwnKeys
from cache_layer.writing.writes import invalidate_entries


class CoherentCache(RedisCache):  # type: ignore[misc] # django-redis has no types
    """
    django-redis' backend with this package's connection, serving coherent entries beside ordinary keys.

    Entries can be read and deleted (which invalidates them); anything else raises `ReadOnlyEntry`. Other values are
    JSON unless SERIALIZER says otherwise, and their `incr` is Redis' own.
    """

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        options = {"SERIALIZER": "django_redis.serializers.json.JSONSerializer"} | params.get("OPTIONS", {})
        location = guarded_location(server, options, get_options())
        super().__init__(location["LOCATION"], {**params, "OPTIONS": location["OPTIONS"]})
        given: Any = vars(self)["_client_cls"]  # of CLIENT_CLASS
        self._client_cls = EntriesApart if issubclass(EntriesApart, given) else given
        if not issubclass(self._client_cls, EntriesApart):
            raise InvalidOptions(
                f"CLIENT_CLASS is {options['CLIENT_CLASS']!r}, which does not keep entries apart from other keys: leave"
                " it out, or use a subclass of cache_layer.backend.EntriesApart."
            )
        self._lookup_name = options.get("LOOKUP", "")

    def find_entry(self, key: Any, version: int | None = None) -> Entry | None:
        """
        The entry behind a key; None if it is an ordinary key.

        Raises:
            ReadOnlyEntry: it is an entry, and the caller passed a Django cache version.
        """
        lookup = get_lookup(self._lookup_name) if self._lookup_name else find_lookup(str(key))
        if lookup is None:
            return None
        if version not in (None, self.version):
            raise ReadOnlyEntry(f"Entries have no Django cache versions: leave out version={version}.")
        return Entry(lookup, str(key) if self._lookup_name else lookup.identifier(str(key)))

    def make_key(self, key: Any, version: int | None = None) -> str:
        """The key in Redis."""
        entry = self.find_entry(key, version)
        return str(super().make_key(key, version)) if entry is None else value_key(entry.key)

    def get(self, key: Any, default: Any = None, version: int | None = None, client: Any = None) -> Any:
        entry = self.find_entry(key, version)
        if entry is None:
            return super().get(key, default, version, client)
        return _read([entry]).get(entry, default)

    def get_many(self, keys: Iterable[Any], version: int | None = None, client: Any = None) -> dict[Any, Any]:
        keys = list(keys)
        entries, others = self._split(keys, version)
        documents = _read(entries.values())
        found = {key: documents[entry] for key, entry in entries.items() if entry in documents}
        found |= super().get_many(others, version, client) if others else {}
        return {key: found[key] for key in keys if key in found}

    def has_key(self, key: Any, version: int | None = None, client: Any = None) -> bool:
        entry = self.find_entry(key, version)
        return bool(super().has_key(key, version, client) if entry is None else _read([entry]))

    def delete(self, key: Any, version: int | None = None, **options: Any) -> bool:
        """As Django's; for an entry, returns whether Redis had a value."""
        entry = self.find_entry(key, version)
        return bool(super().delete(key, version, **options) if entry is None else _invalidate([entry]))

    def delete_many(self, keys: Iterable[Any], version: int | None = None, **options: Any) -> None:
        entries, others = self._split(keys, version)
        if others:
            super().delete_many(others, version, **options)
        if entries:
            _invalidate(entries.values())

    def clear(self) -> None:
        """Remove this alias's keys and drop the entries it serves; leaves everything else in Redis alone."""
        if self._lookup_name:
            clear_entries(get_lookup(self._lookup_name))
            return
        super().clear()
        clear_entries(*registered_lookups())

    async def aget(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """As Django's; an entry in this process's memory needs no thread."""
        entry = self.find_entry(key, version)
        if entry is None:
            return await super().aget(key, default, version)
        names = [entry.identifier] if is_text(entry.identifier) else []
        document = (await aread_documents(entry.lookup, names)).get(entry.identifier)
        return default if document is None else document

    def _split(self, keys: Iterable[Any], version: int | None) -> tuple[dict[Any, Entry], list[Any]]:
        found = {key: self.find_entry(key, version) for key in keys}
        entries = {key: entry for key, entry in found.items() if entry is not None}
        return entries, [key for key in found if key not in entries]


class EntriesApart(OwnKeys):
    """django-redis' client, restricted to keys that are not entries."""

    def make_key(self, key: Any, version: int | None = None, prefix: str | None = None) -> Any:
        """
        Raises:
            ReadOnlyEntry: the key is an entry's.
        """
        if not isinstance(key, CacheKey) and self._backend.find_entry(key, version) is not None:
            raise ReadOnlyEntry(f"{key!r} is a coherent entry, built from rows: it can only be read and deleted.")
        return super().make_key(key, version, prefix)


def _possible(entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if is_text(entry.identifier)]


def _invalidate(entries: Iterable[Entry]) -> int:
    return invalidate_entries(_possible(entries))


def _read(entries: Iterable[Entry]) -> dict[Entry, Any]:
    """The documents of the entries that have one, in one read per lookup."""
    found: dict[Entry, Any] = {}
    wanted = sorted(_possible(entries), key=lambda entry: entry.lookup.name)
    for lookup, of_it in groupby(wanted, key=lambda entry: entry.lookup):
        reads = read_entries(lookup, [entry.identifier for entry in of_it])
        found |= {Entry(lookup, name): read.document for name, read in reads.items() if read.document is not None}
    return found
