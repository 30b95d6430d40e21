"""What pages outside the API answer while an engine is away."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import DataError
from django.http import HttpRequest, HttpResponse

from entities.api.errors import as_unavailable

logger = logging.getLogger("pmo")

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Not available right now</title>
<style nonce="{nonce}">
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 20vh auto; padding: 0 1rem }}
</style>
<h1>Not available right now</h1>
<p>{reason}</p>
<p>Nothing you sent was saved. <a href="">Try again</a></p>
</html>
"""


class ServiceUnavailableMiddleware:
    """Answers 503 with a short page when an engine is away, and 400 when the database can't take what was sent."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        unavailable = as_unavailable(exception)
        if isinstance(exception, DataError):  # a NUL character, a number beyond all limits
            logger.warning("Refused by the database", extra={"path": request.path, "error": str(exception)})
            return HttpResponse("The database can't take what was sent.", "text/plain", 400)
        if unavailable is None:
            return None
        return HttpResponse(
            PAGE.format(reason=unavailable.detail, nonce=getattr(request, "csp_nonce", "")),
            status=503,
            headers={"Retry-After": str(unavailable.wait)},
        )
