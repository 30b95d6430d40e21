"""The WSGI application, for Granian or any other server."""

import os

from cache_layer.background import run_in_background
from cache_layer.counting.reporting import start_reporting
from cache_layer.server.distance import warn_of_far_servers
from cache_layer.serving.express import with_express_lane
from cache_layer.upkeep.standby import start_standby
from pmo.requests import make_application
from pmo.sign_on import start_fetching
from pmo.tracing import start_tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pmo.settings")


def _watch_health() -> None:
    from entities.health import watch_health  # needs models, which are there when all apps are

    watch_health()


start_tracing()
application = with_express_lane(make_application())
start_reporting()
warn_of_far_servers()
start_standby()
start_fetching()
run_in_background("cache-health", _watch_health)
