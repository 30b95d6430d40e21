"""The platform's paths, answered by the view that the settings name."""

from django.conf import settings
from django.http import HttpResponse
from django.urls import path

from tests.benchmarks.contenders import views

view = getattr(views, settings.ENTITY_VIEW).as_view()

urlpatterns = [
    path("api/v1/entity/type/<str:code>", view),
    path("api/v1/entity/<str:code>", view),
    path("healthz", lambda _: HttpResponse("ok")),
]
