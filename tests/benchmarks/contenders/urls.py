"""The platform's paths, answered by the view that the settings name."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.module_loading import import_string


def liveness(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


view = import_string(settings.ENTITY_VIEW).as_view()  # type: ignore[misc] # not in the platform's settings

urlpatterns = [
    path("api/v1/entity/type/<str:code>", view),
    path("api/v1/entity/<str:code>", view),
    path("healthz", liveness),
]
