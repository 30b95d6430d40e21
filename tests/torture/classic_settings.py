"""The project's settings, with the classic algorithm in place of the cache layer's."""

from pmo.settings import *  # noqa: F403
from pmo.settings import CACHES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.torture.classic_app.ClassicConfig"]
for _cache in CACHES.values():
    _cache["OPTIONS"]["CONNECTION_POOL_KWARGS"].pop("redis_connect_func", None)  # the run-id guard
