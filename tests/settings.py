"""The project's settings, with one more app whose model is made coherent by declaring one lookup."""

from pmo.settings import *  # noqa: F403
from pmo.settings import INSTALLED_APPS, REST_FRAMEWORK

INSTALLED_APPS = [*INSTALLED_APPS, "tests.otherapp"]
REST_FRAMEWORK = REST_FRAMEWORK | {"TEST_REQUEST_DEFAULT_FORMAT": "json"}
