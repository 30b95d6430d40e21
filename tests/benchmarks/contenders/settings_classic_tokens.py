"""The classic contender with our token authentication: how much of the difference is that."""

from tests.benchmarks.contenders.settings_classic import *  # noqa: F403
from tests.benchmarks.contenders.settings_classic import INSTALLED_APPS, REST_FRAMEWORK

INSTALLED_APPS = [*INSTALLED_APPS, "axes", "pmo"]  # which keep who failed to log in, and who is logged in
REST_FRAMEWORK = REST_FRAMEWORK | {
    "DEFAULT_AUTHENTICATION_CLASSES": ["pmo.authentication.TokenAuthentication"],
}
