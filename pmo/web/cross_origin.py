"""Which other origins' pages may use the API from a browser (CORS), configured through django-cors-headers."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured

from pmo.environment.listener import in_url
from pmo.environment.variables import shown

MIDDLEWARE = "corsheaders.middleware.CorsMiddleware"
"""First of all, so that preflights are answered before authentication, and every error has CORS headers."""
PATHS = r"^/api/"
REQUEST_HEADERS = (*default_headers, "if-match", "if-none-match")
RESPONSE_HEADERS = ("ETag", "Location", "Retry-After", "WWW-Authenticate", "Warning", "X-Cache")
"""Headers that scripts may read besides those that are always readable."""
DEFAULT_PORTS = {"http": 80, "https": 443}


def allowed_origins(
    origins: Iterable[str], *, variable: str = "CORS_ALLOWED_ORIGINS", patterns: bool = False
) -> list[str]:
    """
    The origins, each as browsers write it in `Origin`.

    Args:
        variable: the variable they were read from.
        patterns: whether `https://*.example.org` matches all subdomains.
    Raises:
        ImproperlyConfigured: no browser would write one of them like this, so it would never match.
    """
    found = list(origins)
    for origin in found:
        plain = origin.replace("://*.", "://", 1) if patterns else origin
        if plain != _as_browsers_write(plain):
            raise ImproperlyConfigured(
                f"{variable} has {shown(origin)}: name each origin as browsers do, in small letters, with http:// or"
                " https://, without a path or its usual port, for example https://app.example.org."
            )
    return found


def _as_browsers_write(origin: str) -> str | None:
    """A URL's origin, serialised (RFC 6454, section 6.2); None if it has none."""
    try:
        url = urlsplit(origin)
        host, port = url.hostname or "", url.port
    except ValueError:
        return None
    if url.scheme not in DEFAULT_PORTS or not host or not host.isascii() or set(host) & set("*@ %"):
        return None
    return f"{url.scheme}://{in_url(host)}" + (f":{port}" if port not in (None, DEFAULT_PORTS[url.scheme]) else "")
