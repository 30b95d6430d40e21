"""
The contenders' settings: Django's own defaults, on the engines and the connection pool of ours, and the cache that
CONTENDER names, as its documentation configures it.

Their connections run no triggers: those belong to our cache layer, and nobody else shall pay for them.
"""

import copy
import os

from pmo import settings as ours

DEBUG = False
SECRET_KEY = ours.SECRET_KEY
ALLOWED_HOSTS = ours.ALLOWED_HOSTS
DATABASES = copy.deepcopy(ours.DATABASES)
DATABASES["default"]["ENGINE"] = "django.db.backends.postgresql"
DATABASES["default"]["OPTIONS"]["options"] = "-c session_replication_role=replica"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "rest_framework",
    "tests.benchmarks.contenders",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "tests.benchmarks.contenders.views"
APPEND_SLASH = False
USE_TZ = True
USE_I18N = False
TIME_ZONE = "UTC"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
ENTITY_VIEW = "Uncached"
DJANGO_REDIS_IGNORE_EXCEPTIONS = True
DJANGO_REDIS = {
    "BACKEND": "django_redis.cache.RedisCache",
    "LOCATION": ours.REDIS_URL,
    "OPTIONS": {"CLIENT_CLASS": "django_redis.client.DefaultClient"},
}

match os.environ["CONTENDER"]:
    case "classic":  # cache-aside by hand
        CACHES = {"default": DJANGO_REDIS}
        ENTITY_VIEW = "CacheAside"
    case "get_or_set":  # Django's own backend
        CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": ours.REDIS_URL}}
        ENTITY_VIEW = "GetOrSet"
    case "cacheops":  # for the entity types and, as its README proposes, for the user
        INSTALLED_APPS.insert(0, "cacheops")
        CACHEOPS_REDIS = ours.REDIS_URL
        CACHEOPS = {
            "auth.user": {"ops": "get", "timeout": 60 * 15},
            "auth.*": {"ops": {"fetch", "get"}, "timeout": 60 * 60},
            "auth.permission": {"ops": "all", "timeout": 60 * 60},
            "contenders.entitytype": {"ops": "all", "timeout": 300},
        }
    case "cachalot":  # for all tables, which is its default
        INSTALLED_APPS.insert(0, "cachalot")
        CACHES = {"default": DJANGO_REDIS}
        CACHALOT_TIMEOUT = 300
