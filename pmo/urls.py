"""The platform's URLs."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from pmo.monitoring.health import health, liveness, readiness
from pmo.monitoring.metrics import metrics
from pmo.people.views import LoginView, LogoutView, MeView, RefreshView
from pmo.web import pages
from pmo.web.description import DescriptionView, DocumentationView
from pmo.web.middleware import answer_error, server_error


@csrf_exempt
def not_found(request: HttpRequest) -> HttpResponse:
    """Unknown paths under `/api/` get JSON, whatever the method: nothing there uses cookies."""
    return answer_error(request, 404, "not_found", "There is nothing at this path.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django names it
    """Django's handler would fail again by reading the form that could not be read."""
    return answer_error(request, 400, "unreadable", "The request could not be read.")


handler400 = bad_request
handler403 = pages.forbidden
handler404 = pages.not_found
handler500 = server_error

api: list[URLPattern | URLResolver] = [
    path("auth/login", LoginView.as_view(), name="login"),
    path("auth/refresh", RefreshView.as_view(), name="refresh"),
    path("auth/logout", LogoutView.as_view(), name="logout"),
    path("auth/me", MeView.as_view(), name="me"),
    path("", include("entities.api.urls")),
]

urlpatterns = [
    path("", pages.front_page, name="front"),
    path(".well-known/security.txt", pages.security_contact, name="security-contact"),
    path("token", pages.make_token, name="front-token"),
    path("api/v1/", include((api, "api"))),
    path("api/schema", DescriptionView.as_view(), name="api-schema"),
    path("api/docs", DocumentationView.as_view(url_name="api-schema"), name="api-docs"),
    re_path(r"^api/", not_found),
    path("admin/cache/", include("entities.dashboard.urls")),
    path("admin/", admin.site.urls),
    path("health", health, name="health"),
    path("healthz", liveness, name="liveness"),
    path("readyz", readiness, name="readiness"),
    path("metrics", metrics, name="metrics"),
]
