"""
Sessions of the admin, with copies in Redis that are of no use to others who read or write there.

The id of a session is all that its user's cookie has: who could read it in Redis would be that user, and so would who
could put that user's session under the id of their own. So Redis gets a hash of the id, and the session signed for it.
Both take `SECRET_KEY`.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.cached_db import SessionStore as CachedStore
from django.core import signing
from django.core.cache import BaseCache, caches
from django.utils.crypto import salted_hmac

SALT = "pmo.sessions"


class Sealed:
    """As much of a cache as sessions need."""

    def __init__(self, cache: BaseCache) -> None:
        self._cache = cache

    def get(self, key: str) -> Any:
        """What was put there, by us and for this key; else None."""
        signed = self._cache.get(_hashed(key))
        try:
            return signing.loads(signed, salt=key) if isinstance(signed, str) else None
        except signing.BadSignature:
            return None

    def set(self, key: str, value: Any, timeout: int) -> None:
        self._cache.set(_hashed(key), signing.dumps(value, salt=key), timeout)

    def delete(self, key: str) -> None:
        self._cache.delete(_hashed(key))

    def __contains__(self, key: str) -> bool:
        return _hashed(key) in self._cache


class SessionStore(CachedStore):
    """Django's own, kept in the database."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._cache: Any = Sealed(caches[settings.SESSION_CACHE_ALIAS])


def _hashed(key: str) -> str:
    return salted_hmac(SALT, key, algorithm="sha256").hexdigest()
