"""
The cache's part in a WSGI server.

    application = serve(get_wsgi_application())
"""

from __future__ import annotations

from cache_layer.background import run_in_background
from cache_layer.counting.reporting import start_reporting
from cache_layer.server.distance import warn_of_far_servers
from cache_layer.serving.express import Application, with_express_lane
from cache_layer.upkeep.standby import start_standby


def serve(application: Application) -> Application:
    """
    Put the application behind the express lane, and start this process's background work: report its counters, stand by
    to relay, watch the health of Redis and PostgreSQL, and warn of a distant Redis.
    """
    start_reporting()
    warn_of_far_servers()
    start_standby()
    run_in_background("cache-health", _watch_health)
    return with_express_lane(application)


def _watch_health() -> None:
    from cache_layer.inspect.health import watch_health  # needs models, which load after all apps

    watch_health()
