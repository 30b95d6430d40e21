"""The WSGI application, for Granian or any other server."""

import os

from django.core.wsgi import get_wsgi_application

from cache_layer.express import with_express_lane

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pmo.settings")
application = with_express_lane(get_wsgi_application())
