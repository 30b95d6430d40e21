"""The classic contender with our token authentication: how much of the difference is that."""

from tests.benchmarks.contenders.settings_classic import *  # noqa: F403
from tests.benchmarks.contenders.settings_classic import REST_FRAMEWORK

REST_FRAMEWORK = REST_FRAMEWORK | {
    "DEFAULT_AUTHENTICATION_CLASSES": ["pmo.authentication.TokenAuthentication"],
}
