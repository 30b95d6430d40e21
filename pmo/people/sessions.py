"""
Sessions of people: Django's own, in the database, with copies in Redis that are of no use to others who read or write
there, and that end with a logout.

The id of a session is all that its user's cookie has: who could read it in Redis would be that user, and so would who
could put that user's session under the id of their own. So Redis gets a hash of the id, and the session signed for it.
Both take `SECRET_KEY`.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.cached_db import KEY_PREFIX
from django.contrib.sessions.backends.cached_db import SessionStore as CachedStore
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.core import signing
from django.core.cache import caches
from django.utils.crypto import salted_hmac

from cache_layer import CacheUnavailable, get_writer_client

SALT = "pmo.sessions"


class Sealed:
    """As much of a cache, django-redis', as sessions need."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def get(self, key: str) -> Any:
        """What was put there, by us and for this key; else None."""
        signed = self._cache.get(_hashed(key))
        try:
            return signing.loads(signed, salt=key) if isinstance(signed, str) else None
        except signing.BadSignature:
            return None

    def set(self, key: str, value: Any, timeout: int) -> None:
        """Put a copy there; a request that is under way at a logout must not bring the session back."""
        self._cache.set(_hashed(key), signing.dumps(value, salt=key), timeout)
        if not DatabaseStore().exists(key.removeprefix(KEY_PREFIX)):
            self.end(key)

    def delete(self, key: str) -> None:
        self._cache.delete(_hashed(key))

    def end(self, key: str) -> None:
        """
        Delete it for certain.

        Raises:
            CacheUnavailable: Redis is silent, and others may still reach it. What one that is gone has is purged when
                it is back.
        """
        try:
            get_writer_client().unlink(self._cache.client.make_key(_hashed(key)))
        except CacheUnavailable as error:
            if not error.refused:
                raise

    def __contains__(self, key: str) -> bool:
        return _hashed(key) in self._cache


class SessionStore(CachedStore):
    """Django's own, kept in the database, which a logout ends everywhere: a copy left in Redis would go on."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._cache: Any = Sealed(caches[settings.SESSION_CACHE_ALIAS])

    def flush(self) -> None:
        """
        End this session.

        Raises:
            CacheUnavailable: Redis is silent, and others may still reach it; the session goes on.
        """
        if self.session_key:
            self._cache.end(self.cache_key)
        super().flush()


def _hashed(key: str) -> str:
    """A key that tells no id; what purges sessions after a restart of Redis still knows it for one."""
    return KEY_PREFIX + salted_hmac(SALT, key, algorithm="sha256").hexdigest()
