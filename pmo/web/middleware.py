"""Bounds the time of requests, and responds when an engine is down or something is broken on our side."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from rest_framework.exceptions import APIException

from cache_layer import deadline
from pmo.web.errors import answer, answer_unavailable

logger = logging.getLogger("pmo")

ASKED_BY_ADDRESS = ("/health", "/healthz", "/readyz", "/metrics")
WAITING_SHARE = 0.95
"""Of a request's time; the rest is for writing the response."""


class RequestBudgetMiddleware:
    """Bounds all waiting so that a request is answered within `REQUEST_BUDGET_MS`; 0 is unlimited."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.waiting_ms = settings.REQUEST_BUDGET_MS * WAITING_SHARE or None

    def __call__(self, request: HttpRequest) -> HttpResponse:
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
    """Answers 503 with a reason when an engine is down, and 400 when the input cannot be read or stored."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        problem: APIException | None = getattr(request, "problem", None)
        if problem is None:
            return None
        logger.warning("Unreadable request", extra={"path": request.path, "error": str(problem.detail)})
        return answer(request, problem.status_code, str(problem.get_codes()), "Not understood", str(problem.detail))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, DataError):  # a NUL character, a number out of range
            logger.warning("Refused by the database", extra={"path": request.path, "error": str(exception)})
            return answer(request, 400, "unreadable", "Not understood", "The database can't take what was sent.")
        return answer_unavailable(request, exception)
