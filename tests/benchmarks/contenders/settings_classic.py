"""Cache-aside by hand on django-redis, as its README configures it."""

from tests.benchmarks.contenders.settings_shared import *  # noqa: F403
from tests.benchmarks.contenders.settings_shared import REDIS_URL

CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"CLIENT_CLASS": "django_redis.client.DefaultClient"},
    }
}
ENTITY_VIEW = "tests.benchmarks.contenders.views.CacheAside"
