"""The WSGI application, for Granian or any other server."""

import os

from cache_layer.wsgi import serve
from pmo.monitoring.tracing import start_tracing
from pmo.people.sign_on import start_fetching
from pmo.web.requests import make_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pmo.settings")

start_tracing()
application = serve(make_application())
start_fetching()
