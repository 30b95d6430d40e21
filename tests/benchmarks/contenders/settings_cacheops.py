"""django-cacheops for the entity types and, as its README proposes, for the user."""

from tests.benchmarks.contenders.settings_shared import *  # noqa: F403
from tests.benchmarks.contenders.settings_shared import INSTALLED_APPS, REDIS_URL

INSTALLED_APPS = ["cacheops", *INSTALLED_APPS]
CACHEOPS_REDIS = REDIS_URL
CACHEOPS = {
    "auth.user": {"ops": "get", "timeout": 60 * 15},
    "auth.*": {"ops": {"fetch", "get"}, "timeout": 60 * 60},
    "auth.permission": {"ops": "all", "timeout": 60 * 60},
    "contenders.entitytype": {"ops": "all", "timeout": 300},
}
