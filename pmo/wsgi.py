"""The WSGI application, for Granian or any other server."""

import os

from cache_layer.wsgi import serve
from pmo.requests import make_application
from pmo.sign_on import start_fetching
from pmo.tracing import start_tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pmo.settings")

start_tracing()
application = serve(make_application())
start_fetching()
