"""django-cachalot for all tables, which is its default, on django-redis."""

from tests.benchmarks.contenders.settings_classic import *  # noqa: F403
from tests.benchmarks.contenders.settings_classic import INSTALLED_APPS

INSTALLED_APPS = ["cachalot", *INSTALLED_APPS]
CACHALOT_TIMEOUT = 300
ENTITY_VIEW = "tests.benchmarks.contenders.views.Uncached"
