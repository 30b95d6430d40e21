"""Sessions of people: Django's own, in Redis with the database behind it."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.cached_db import SessionStore as DjangoSessionStore

from cache_layer.connection import get_writer_client
from cache_layer.errors import CacheUnavailable

Store: Any = DjangoSessionStore


class SessionStore(Store):  # type: ignore[misc] # untyped
    """Django's, which a logout ends everywhere: a copy that stayed in Redis would be a session that goes on."""

    def flush(self) -> None:
        """
        End this session.

        Raises:
            CacheUnavailable: Redis is silent, and others may still reach it; the session goes on. What one that is gone
                has is purged when it is back.
        """
        if self.session_key:
            try:
                get_writer_client().unlink(self._cache.client.make_key(self.cache_key))
            except CacheUnavailable as error:
                if not error.refused:
                    raise
        super().flush()
