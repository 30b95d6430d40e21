"""Names of servers, and addresses of others, that a variable may hold."""

import ipaddress
import re
from urllib.parse import urlsplit

from pmo.environment.variables import Kind

CONTACT = re.compile(r"mailto:[!-~]+@[!-~]+|https://[!-~]+")
NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*)")
DEFAULT_PORTS = {"http": 80, "https": 443}


def in_url(host: str) -> str:
    """A name or an address as URLs have it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def is_host(text: str) -> bool:
    """Whether it is a name or an address alone; IPv6 may be in brackets."""
    return bool(NAME.fullmatch(text)) or _is_bracketed(in_url(text))


def is_allowed_host(text: str) -> bool:
    """Whether it can match a request's host: see Django's `ALLOWED_HOSTS`."""
    return text == "*" or bool(NAME.fullmatch(text.removeprefix("."))) or _is_bracketed(text)


def is_web_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.scheme in DEFAULT_PORTS and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def is_origin(text: str) -> bool:
    """Whether browsers write an origin like this (RFC 6454, section 6.2); another spelling would never match."""
    if not is_web_address(text):
        return False
    url = urlsplit(text)
    host, port = url.hostname or "", url.port
    if not host.isascii() or set(host) & set("*@ %"):
        return False
    return text == f"{url.scheme}://{in_url(host)}" + (
        f":{port}" if port not in (None, DEFAULT_PORTS[url.scheme]) else ""
    )


def _is_bracketed(host: str) -> bool:
    try:
        return host[:1] == "[" and host[-1:] == "]" and bool(ipaddress.IPv6Address(host[1:-1]))
    except ValueError:
        return False


AS_BROWSERS_DO = (
    "name each origin as browsers do, in small letters, with http:// or https://, without a path or its usual port, for"
    " example https://app.example.org"
)
ORIGIN = Kind(is_origin, AS_BROWSERS_DO)
ORIGINS = Kind(lambda text: is_origin(text.replace("://*.", "://", 1)), AS_BROWSERS_DO)
"""An origin, or `https://*.example.org` for those of all subdomains."""
ALLOWED_HOST = Kind(
    is_allowed_host,
    "give names alone, without http:// and without a port, for example pmo.example.org, or .example.org for all in it",
)
REDIS_HOST = Kind(is_host, "give a name or an address alone; the port is REDIS_PORT")
COLLECTOR = Kind(is_web_address, "begin it with http:// or https://, as in http://collector:4318")
CONTACT_ADDRESS = Kind(
    lambda text: bool(CONTACT.fullmatch(text)), "begin it with mailto: or https://, as in mailto:security@example.org"
)
"""A contact URI (RFC 9116, 2.5.3)."""
