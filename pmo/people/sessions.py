"""
User sessions: Django's own in the database, with copies in Redis that are useless to anyone else who can read or write
there, and that end at logout.

A session id is all that the user's cookie holds: whoever could read one in Redis could act as that user, and so could
whoever stored that user's session under their own id. So Redis gets a hash of the id, and the session signed for it.
Both use `SECRET_KEY`.
"""

from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.cached_db import KEY_PREFIX
from django.contrib.sessions.backends.cached_db import SessionStore as CachedStore
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.core import signing
from django.core.cache import caches
from django.utils.crypto import salted_hmac

SALT = "pmo.sessions"


class Sealed:
    """The part of django-redis' cache interface that sessions need."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def get(self, key: str) -> Any:
        """The value, if we stored it for this key; else None."""
        signed = self._cache.get(_hashed(key))
        try:
            return signing.loads(signed, salt=key) if isinstance(signed, str) else None
        except signing.BadSignature:
            return None

    def set(self, key: str, value: Any, timeout: int) -> None:
        """Store a copy; a request that overlaps a logout must not bring the session back."""
        self._cache.set(_hashed(key), signing.dumps(value, salt=key), timeout)
        if not DatabaseStore().exists(key.removeprefix(KEY_PREFIX)):
            self.end(key)

    def delete(self, key: str) -> None:
        self._cache.delete(_hashed(key))

    def end(self, key: str) -> None:
        """Delete it for certain; raises CacheUnavailable as `SessionStore.flush` does."""
        self._cache.client.delete_for_certain(_hashed(key))

    def __contains__(self, key: str) -> bool:
        return _hashed(key) in self._cache


class SessionStore(CachedStore):
    """Django's store in the database, whose logout also deletes the copy in Redis, which would stay valid otherwise."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._cache: Any = Sealed(caches[settings.SESSION_CACHE_ALIAS])

    def flush(self) -> None:
        """
        End this session.

        Raises:
            CacheUnavailable: Redis does not answer, and others may still reach it; the session stays valid.
        """
        if self.session_key:
            self._cache.end(self.cache_key)
        super().flush()


def _hashed(key: str) -> str:
    """A key that does not reveal the id, and still matches the pattern purged after a restart of Redis."""
    return KEY_PREFIX + salted_hmac(SALT, key, algorithm="sha256").hexdigest()
