"""Django's own Redis backend, as its documentation configures it."""

from tests.benchmarks.contenders.settings_shared import *  # noqa: F403
from tests.benchmarks.contenders.settings_shared import REDIS_URL

CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
ENTITY_VIEW = "tests.benchmarks.contenders.views.GetOrSet"
