"""What a response may depend on: the request, and who sends it."""

import secrets
from typing import Any

Environ = dict[str, Any]
Mark = tuple[int, ...]

KEY_HEADERS = (
    "Host",
    "Accept",
    "Accept-Encoding",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Unmodified-Since",
    "Origin",
    "Range",
    "X-Forwarded-Proto",
)
"""The headers a response may depend on, besides `Authorization`; if its `Vary` names others it is not stored."""

WHO = "HTTP_AUTHORIZATION"
_SALT = secrets.token_hex(8)
VARIES_BY = {name.lower() for name in (*KEY_HEADERS, "Authorization")}


def key_of(environ: Environ) -> tuple[Any, ...]:
    """What a response may depend on, besides its sender: the request line, the body's type, and `KEY_HEADERS`."""
    find = environ.get  # called by name: a loop over the names takes half as long again
    return (
        find("REQUEST_METHOD"),
        find("SCRIPT_NAME"),
        find("PATH_INFO"),
        find("QUERY_STRING"),
        find("CONTENT_LENGTH"),
        find("CONTENT_TYPE"),  # invalid ones are rejected, whatever the method
        find("wsgi.url_scheme"),
        find("HTTP_HOST"),
        find("HTTP_ACCEPT"),
        find("HTTP_ACCEPT_ENCODING"),
        find("HTTP_IF_MATCH"),
        find("HTTP_IF_MODIFIED_SINCE"),
        find("HTTP_IF_NONE_MATCH"),
        find("HTTP_IF_UNMODIFIED_SINCE"),
        find("HTTP_ORIGIN"),
        find("HTTP_RANGE"),
        find("HTTP_X_FORWARDED_PROTO"),
    )


def mark_of(header: str) -> Mark:
    """
    Stands for an `Authorization` header, since tokens are not stored in memory; empty for none.

    Two hashes of 64 bits, keyed with secrets of this process, which nobody ever sees: guessing a header with the same
    hashes as somebody else's takes 2 ** 128 requests. SHA-256 takes twice as long.
    Source: SipHash, Aumasson and Bernstein, 2012; Python hashes text by it (PEP 456).
    """
    return (hash(header), hash(_SALT + header)) if header else ()
