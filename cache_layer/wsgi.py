"""
The cache's part in a WSGI server.

    application = serve(get_wsgi_application())
"""

from threading import Event

from cache_layer.background import run_in_background
from cache_layer.counting.reporting import start_reporting
from cache_layer.options import get_options
from cache_layer.server.distance import warn_of_far_servers
from cache_layer.serving.express import Application, with_express_lane


def serve(application: Application) -> Application:
    """
    Put the application behind the express lane, and start this process's background work: report its counters, stand by
    to relay (if the setting allows it), watch the health of Redis and PostgreSQL, and warn of a distant Redis.
    """
    from cache_layer.inspect.health import watch_health  # need models, which load with the application
    from cache_layer.upkeep.relay import run_relay

    start_reporting()
    warn_of_far_servers()
    if get_options().relay:
        run_in_background("cache-relay", lambda: run_relay(Event()))
    run_in_background("cache-health", watch_health)
    return with_express_lane(application)
