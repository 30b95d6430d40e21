import os

from django.core.wsgi import get_wsgi_application

from cache_layer.wsgi import serve

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
application = serve(get_wsgi_application())
