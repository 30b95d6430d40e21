import os

SECRET_KEY = os.environ["SECRET_KEY"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "pgtrigger", "cache_layer", "shop"]
DATABASES = {"default": {"ENGINE": "cache_layer.postgresql", "NAME": os.environ["PGDATABASE"]}}
CACHES = {"default": {"BACKEND": "cache_layer.backend.CoherentCache", "LOCATION": os.environ["REDIS_URL"]}}
ALLOWED_HOSTS = ["localhost"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "shop.urls"
USE_TZ = True
