"""The WSGI application, for Granian or any other server."""

import os

from cache_layer.distance import warn_of_far_servers
from cache_layer.express import with_express_lane
from cache_layer.invalidation.standby import start_standby
from cache_layer.reporting import start_reporting
from pmo.requests import make_application
from pmo.sign_on import start_fetching
from pmo.tracing import start_tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pmo.settings")
start_tracing()
application = with_express_lane(make_application())
start_reporting()
warn_of_far_servers()
start_standby()
start_fetching()
