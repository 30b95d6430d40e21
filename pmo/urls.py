"""Every path the platform answers."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerView

from pmo.auth_views import LoginView, LogoutView, MeView, RefreshView
from pmo.description import DescriptionView
from pmo.health import health, liveness, readiness
from pmo.metrics import metrics
from pmo.middleware import server_error


def not_found(_request: HttpRequest) -> JsonResponse:
    """Under `/api/` even an unknown path is answered in JSON."""
    return JsonResponse({"detail": "There is nothing at this path.", "code": "not_found"}, status=404)


def bad_request(_request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django names it
    """Django's own answer reads the form once more, to no avail, if it is the form that could not be read."""
    return HttpResponse("The request could not be read.\n", "text/plain", 400)


handler400 = bad_request
handler500 = server_error

api: list[URLPattern | URLResolver] = [
    path("auth/login", LoginView.as_view(), name="login"),
    path("auth/refresh", RefreshView.as_view(), name="refresh"),
    path("auth/logout", LogoutView.as_view(), name="logout"),
    path("auth/me", MeView.as_view(), name="me"),
    path("", include("entities.api.urls")),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("api/v1/", include((api, "api"))),
    path("api/schema", DescriptionView.as_view(), name="api-schema"),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
    re_path(r"^api/", not_found),
    path("admin/cache/", include("entities.dashboard.urls")),
    path("admin/", admin.site.urls),
    path("health", health, name="health"),
    path("healthz", liveness, name="liveness"),
    path("readyz", readiness, name="readiness"),
    path("metrics", metrics, name="metrics"),
]
