"""No cache at all."""

from tests.benchmarks.contenders.settings_shared import *  # noqa: F403
