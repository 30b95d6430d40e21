"""The pages outside the admin."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_POST, require_safe
from rest_framework_simplejwt.settings import api_settings

from pmo.people.tokens import sign_in
from pmo.web.errors import forbidden, not_found


@csrf_exempt  # else the CSRF check answers 403 instead of 405
@require_safe
def front_page(request: HttpRequest) -> HttpResponse:
    """What runs here and where to go, for anyone."""
    return _front_page(request, token="")


@csrf_exempt
@require_POST
@csrf_protect
def make_token(request: HttpRequest) -> HttpResponse:
    """The front page with an API token for the logged-in user; in development only."""
    user = request.user
    if settings.PRODUCTION or not isinstance(user, User) or not user.is_active:
        return forbidden(request, None)
    return _front_page(request, token=str(sign_in(user).access_token))


@csrf_exempt
@require_safe
def security_contact(request: HttpRequest) -> HttpResponse:
    """Where to report a vulnerability (RFC 9116), if SECURITY_CONTACT is set."""
    if not settings.SECURITY_CONTACT:
        return not_found(request, None)
    expires = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=30)
    text = f"Contact: {settings.SECURITY_CONTACT}\nExpires: {expires.isoformat()}\n"
    return HttpResponse(text, "text/plain; charset=utf-8")


def _front_page(request: HttpRequest, token: str) -> HttpResponse:
    user = request.user
    links = [
        ("/admin/", "Admin", "where staff edit entity types", not user.is_authenticated or user.is_staff),
        ("/admin/cache/", "Cache dashboard", "what the cache is doing", user.has_perm("entities.view_cache")),
        ("/api/docs", "API documentation", "every call, ready to try on the page", True),
        ("/health", "Health", "is everything working? For people and load balancers", True),
    ]
    context = {
        "links": [link[:3] for link in links if link[3]],
        "development": not settings.PRODUCTION,
        "token": token,
        "minutes": int(api_settings.ACCESS_TOKEN_LIFETIME.total_seconds() // 60),
        "host": request.get_host(),
    }
    headers = {"Cache-Control": "no-store", "Vary": "Cookie"}
    return TemplateResponse(request, "front_page.html", context, headers=headers)
