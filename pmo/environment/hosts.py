"""Names of this server, and addresses of others, from the environment."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from pmo.environment.variables import shown

CONTACT = re.compile(r"mailto:[!-~]+@[!-~]+|https://[!-~]+")
NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*)")


def allowed_hosts(hosts: Iterable[str]) -> list[str]:
    """
    The host names this server answers to.

    Raises:
        ImproperlyConfigured: one of them can never be a request's host.
    """
    found = list(hosts)
    for host in found:
        if not (host == "*" or NAME.fullmatch(host.removeprefix(".")) or _is_bracketed(host)):
            raise ImproperlyConfigured(
                f"ALLOWED_HOSTS has {shown(host)}: give names alone, without http:// and without a port, for example"
                " pmo.example.org, or .example.org for all in it."
            )
    return found


def plain_host(name: str, value: str, port: str) -> str:
    """
    A host for a URL: a name or an address, IPv6 in brackets.

    Args:
        port: the variable that holds its port.
    Raises:
        ImproperlyConfigured: not a host, or more than a host.
    """
    if NAME.fullmatch(value) or _is_bracketed(value):
        return value
    if _is_bracketed(f"[{value}]"):
        return f"[{value}]"
    raise ImproperlyConfigured(f"{name} is {shown(value)}: give a name or an address alone; the port is {port}.")


def web_address(name: str, value: str) -> str:
    """
    An http:// or https:// address, or an empty string.

    Raises:
        ImproperlyConfigured: anything else.
    """
    try:
        url = urlsplit(value)
        is_one = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        is_one = False
    if value and not is_one:
        raise ImproperlyConfigured(
            f"{name} is not a URL: begin it with http:// or https://, as in http://collector:4318."
        )
    return value


def contact_address(name: str, value: str) -> str:
    """
    A contact URI (RFC 9116, 2.5.3), or an empty string.

    Raises:
        ImproperlyConfigured: anything else.
    """
    if value and not CONTACT.fullmatch(value):
        raise ImproperlyConfigured(
            f"{name} is {shown(value)}: begin it with mailto: or https://, as in mailto:security@example.org."
        )
    return value


def _is_bracketed(host: str) -> bool:
    try:
        return host[:1] == "[" and host[-1:] == "]" and bool(ipaddress.IPv6Address(host[1:-1]))
    except ValueError:
        return False
