"""Lets several aliases in `CACHES` share a Redis, and deletes for certain."""

from itertools import islice
from typing import Any

from django_redis.client.default import DefaultClient, glob_escape
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

from cache_layer.errors import CacheUnavailable
from cache_layer.protocol.calls import BATCH_KEYS


class OwnKeys(DefaultClient):  # type: ignore[misc] # django-redis has no types
    """django-redis' client, whose own `clear` is FLUSHDB."""

    def delete_for_certain(self, key: str) -> None:
        """
        Delete a key that nobody may read afterwards.

        Raises:
            CacheUnavailable: Redis does not answer, and others may still reach it. A refused connection is no error:
                what a Redis that is gone holds is purged when it is back (if `purge_patterns` match it).
        """
        try:
            self.get_client(write=True).with_policy(essential=True).unlink(self.make_key(key))
        except CacheUnavailable as error:
            if not error.refused:
                raise

    def clear(self, client: Any = None) -> None:
        """Remove this alias's keys of every version, by SCAN and UNLINK in batches."""
        client = client or self.get_client(write=True)
        glob = self._backend.key_func("*", glob_escape(self._backend.key_prefix), "*")
        try:
            found = client.scan_iter(match=glob, count=1000)
            while batch := list(islice(found, BATCH_KEYS)):
                client.unlink(*batch)
        except RedisError as error:
            raise ConnectionInterrupted(connection=client) from error
