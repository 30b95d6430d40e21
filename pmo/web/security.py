"""What browsers must not do with our responses: the content security policy and related headers."""

from typing import Any

from csp.constants import HEADER, NONCE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase

CLOSED = {"default-src": "'none'", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"}
NOTHING = "; ".join(f"{name} {value}" for name, value in CLOSED.items())
"""For responses that are not pages: a browser made to display one loads and runs nothing."""

_OWN = {
    "font-src": [SELF],
    "img-src": [SELF, "data:"],
    "connect-src": [SELF],
    "style-src-attr": [UNSAFE_INLINE],  # Alpine and Swagger UI set the attribute; it runs no script
}
ADMIN = CLOSED | {
    # Unfold's pages use Alpine.js, which makes functions of attributes: it needs `unsafe-eval`. No script is inline.
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src-elem": [SELF, NONCE],
    "form-action": [SELF],
    **_OWN,
}
FRONT = CLOSED | {"script-src": [NONCE], "style-src-elem": [NONCE], "form-action": [SELF]}
DOCS = CLOSED | {"script-src": [NONCE], "style-src-elem": [NONCE], **_OWN}

UNUSED = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
PERMISSIONS = ", ".join(f"{feature}=()" for feature in UNUSED)


class SecurityHeadersMiddleware(CSPMiddleware):
    """One policy for the admin, one for each other page of ours, and one that allows nothing for the rest."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        if _policy_of(request) is None:
            response.headers[HEADER] = NOTHING
            return response
        response.headers["Permissions-Policy"] = PERMISSIONS
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return super().process_response(request, response)

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only:
            parts.config = _policy_of(request)
        return parts


def _policy_of(request: HttpRequest) -> dict[str, Any] | None:
    if request.path_info.startswith("/admin/"):
        return ADMIN
    return {"/api/docs": DOCS, "/": FRONT, "/token": FRONT}.get(request.path_info)
