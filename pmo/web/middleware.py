"""Bounds the time of requests, and responds when an engine is away or something is broken on our side."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence

from django.conf import settings
from django.db import DataError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.deprecation import MiddlewareMixin
from rest_framework.exceptions import APIException

from cache_layer import deadline
from entities.api.errors import Unavailable, as_unavailable, envelope

logger = logging.getLogger("pmo")

GetResponse = Callable[[HttpRequest], HttpResponse]

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
ASKED_BY_ADDRESS = ("/health", "/healthz", "/readyz", "/metrics")
FOR_PROGRAMS = ("/api/", "/health", "/readyz")
BUG = "Something went wrong here and was logged; what you sent may not have been saved."
WAITING_SHARE = 0.95
"""Of a request's time; the rest is for writing the response."""


class RequestBudgetMiddleware:
    """Bounds all waiting so that a request is answered within `REQUEST_BUDGET_MS`; 0 is unlimited."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.waiting_ms = settings.REQUEST_BUDGET_MS * WAITING_SHARE

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not self.waiting_ms:
            return self.get_response(request)
        with deadline.working_within(self.waiting_ms):
            return self.get_response(request)


class AnyHostMiddleware(MiddlewareMixin):
    """Lets probes and Prometheus, which address servers by IP, pass as if they had used an allowed host."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path_info in ASKED_BY_ADDRESS:
            first = next(iter(settings.ALLOWED_HOSTS), "*")
            request.META["HTTP_HOST"] = "localhost" if first == "*" else first.removeprefix(".")


class CookielessAPIMiddleware(MiddlewareMixin):
    """Strips cookies from the API: its responses depend on nothing a browser sends by itself, and set none."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path_info.startswith("/api/"):
            request.META.pop("HTTP_COOKIE", None)


class ServiceUnavailableMiddleware(MiddlewareMixin):
    """Answers 503 with a reason when an engine is away, and 400 when the input cannot be read or stored."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        problem: APIException | None = getattr(request, "problem", None)
        if problem is None:
            return None
        logger.warning("Unreadable request", extra={"path": request.path, "error": str(problem.detail)})
        return answer_error(request, problem.status_code, str(problem.get_codes()), str(problem.detail))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, DataError):  # a NUL character, a number out of range
            logger.warning("Refused by the database", extra={"path": request.path, "error": str(exception)})
            return answer_error(request, 400, "unreadable", "The database can't take what was sent.")
        unavailable = as_unavailable(exception)
        return _answer(request, unavailable) if unavailable is not None else None


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`: for errors outside views (middlewares query the database too), and for bugs."""
    error = sys.exc_info()[1]
    unavailable = as_unavailable(error) if isinstance(error, Exception) else None
    if unavailable is not None:
        return _answer(request, unavailable)
    return answer(request, 500, "internal_error", "Something went wrong", BUG)


def speaks_json(request: HttpRequest) -> bool:
    """Whether the client is a program rather than a person."""
    return request.path_info.startswith(FOR_PROGRAMS)


def answer_error(
    request: HttpRequest, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """An error outside the API's views: the JSON envelope for programs, a line of text otherwise."""
    if speaks_json(request):
        return JsonResponse(envelope(code, detail), status=status, headers=headers)
    return HttpResponse(f"{detail}\n", "text/plain", status, headers=headers)


def _answer(request: HttpRequest, unavailable: Unavailable) -> HttpResponse:
    code, reason = str(unavailable.get_codes()), str(unavailable.detail)
    if code != "outcome_unknown" and not speaks_json(request):
        reason += " Nothing you sent was saved."
    headers = {"Retry-After": str(unavailable.wait)}
    return answer(request, 503, code, "Not available right now", reason, headers=headers)


def answer(
    request: HttpRequest,
    status: int,
    code: str,
    title: str,
    reason: str,
    *,
    headers: Mapping[str, str] | None = None,
    ways: Sequence[tuple[str, str]] = (("", "Try again"),),
) -> HttpResponse:
    """
    An error outside the API's views: the JSON envelope for programs, a page for people.

    Args:
        title: of the page.
        ways: addresses and labels of the page's links to go on.
    """
    if speaks_json(request):
        return answer_error(request, status, code, reason, headers)
    styled = request.path_info.startswith("/admin/")  # elsewhere the policy allows no styles: `pmo.web.security`
    nonce = getattr(request, "csp_nonce", "") if styled else ""
    links = " ".join(f'<a href="{address}">{name}</a>' for address, name in ways)
    page = PAGE.format(title=title, reason=reason, nonce=nonce, ways=links)
    return HttpResponse(page, status=status, headers=headers)
