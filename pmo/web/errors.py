"""Answers to what cannot be done outside the API's views: a page that leads on for people, JSON for programs."""

import sys
from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse, JsonResponse

from entities.api.errors import as_unavailable, envelope

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style nonce="{nonce}">
html {{ background: light-dark(#fff, #111827); color: light-dark(#1f2937, #e5e7eb) }}
a {{ color: light-dark(#6b21a8, #d8b4fe) }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 20vh auto; padding: 0 1rem }}
</style>
<h1>{title}</h1>
<p>{reason}</p>
<p>{ways}</p>
</html>
"""
FOR_PROGRAMS = ("/api/", "/health", "/readyz")
AGAIN, START, ADMIN = '<a href="">Try again</a>', '<a href="/">Start page</a>', '<a href="/admin/">Admin</a>'


def answer(
    request: HttpRequest, status: int, code: str, title: str, reason: str, *, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """The error as the JSON envelope for programs; as a page of this title for people."""
    if speaks_json(request):
        return JsonResponse(envelope(code, reason), status=status, headers=headers)
    in_admin = request.path_info.startswith("/admin/")
    nonce = getattr(request, "csp_nonce", "") if in_admin else ""  # elsewhere the policy allows no styles
    ways = AGAIN if status >= 500 else f"{START} {ADMIN}" if in_admin else START
    page = PAGE.format(title=title, reason=reason, nonce=nonce, ways=ways)
    return HttpResponse(page, status=status, headers=headers)


def answer_unavailable(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """503 with a reason, if the error means that an engine is down."""
    unavailable = as_unavailable(error) if isinstance(error, Exception) else None
    if unavailable is None:
        return None
    code, reason = str(unavailable.get_codes()), str(unavailable.detail)
    if code != "outcome_unknown" and not speaks_json(request):
        reason += " Nothing you sent was saved."
    headers = {"Retry-After": str(unavailable.wait)}
    return answer(request, 503, code, "Not available right now", reason, headers=headers)


def speaks_json(request: HttpRequest) -> bool:
    """Whether the client is a program rather than a person."""
    return request.path_info.startswith(FOR_PROGRAMS)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`: for errors outside views (middlewares query the database too), and for bugs."""
    reason = "Something went wrong here and was logged; what you sent may not have been saved."
    unavailable = answer_unavailable(request, sys.exc_info()[1])
    return unavailable or answer(request, 500, "internal_error", "Something went wrong", reason)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django names it
    """Django's `handler400`; its own would fail again by reading the form that could not be read."""
    return answer(request, 400, "unreadable", "Not understood", "The request could not be read.")


def not_found(request: HttpRequest, exception: Exception | None) -> HttpResponse:  # noqa: ARG001 - as above
    """Django's `handler404`."""
    reason = "There is nothing at this address: it was mistyped, or what was here has been deleted."
    return answer(request, 404, "not_found", "Not found", reason)


def forbidden(request: HttpRequest, exception: Exception | None) -> HttpResponse:  # noqa: ARG001 - as above
    """Django's `handler403`."""
    reason = "Your account has no permission for this. Ask whoever manages the users for it."
    return answer(request, 403, "permission_denied", "Not for you", reason)


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - as above
    """Django's `CSRF_FAILURE_VIEW`."""
    text = "This form was refused: you have logged in or out since it was opened, or it was sent from another site."
    return answer(request, 403, "permission_denied", "Not sent", f"{text} Open it again; nothing was saved.")
