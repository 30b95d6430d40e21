"""The platform's URLs."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from pmo.monitoring.health import health, liveness, readiness
from pmo.monitoring.metrics import metrics
from pmo.people.views import LoginView, LogoutView, MeView, RefreshView
from pmo.web import errors, pages
from pmo.web.description import DescriptionView, DocumentationView


@csrf_exempt
def not_found(request: HttpRequest) -> HttpResponse:
    """Unknown paths under `/api/` get JSON, whatever the method: nothing there uses cookies."""
    return errors.answer(request, 404, "not_found", "Not found", "There is nothing at this path.")


handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error

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
