"""
Every error as JSON that a program can act on, in one envelope.

`{"code": "for_programs", "detail": "for people", "errors": {"field": ["what is wrong"]}}`; `errors` is empty unless
fields or parameters are wrong.
"""

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import InterfaceError, InternalError, OperationalError
from django.http import UnreadablePostError
from django.urls import reverse
from redis.exceptions import RedisError
from rest_framework import views
from rest_framework.exceptions import APIException, MethodNotAllowed, NotFound, ParseError, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from cache_layer import OutcomeUnknown, UnknownTag, WriteRefused
from entities.api.conditions import Refused
from entities.changes import ListedByParents
from entities.models import Entity

logger = logging.getLogger("entities")


_OUT_OF_TIME = ("out_of_time", "The request took too long and was given up. Try again in a moment.")
DATABASE_STATES = {
    "25006": ("database_read_only", "The database accepts no changes now. Try again in a moment."),
    **dict.fromkeys(("57014", "25P03", "25P04"), _OUT_OF_TIME),
}
"""PostgreSQL's codes: read-only or a replica; timeouts of a statement (ours too), idle in transaction, transaction."""
DATABASE_AWAY = ("database_unavailable", "The database does not answer. Try again in a moment.")
INVALID = "The request is not valid: `errors` lists what is wrong, by field."
PARAMETER = re.compile(r"<\w+:(\w+)>")
OUTCOME_UNKNOWN = "The database did not say whether the change was saved. Check before you try again."


class Unavailable(APIException):
    """A required engine does not answer."""

    status_code = 503
    wait = 2
    """Seconds until the next attempt: `Retry-After`."""


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's handler, extended to more errors, with one response format."""
    known = as_unavailable(error) or as_api_error(error)
    response = views.exception_handler(known, context)
    if response is not None and isinstance(known, APIException):
        response.data = _body(known)
        match error:
            case ListedByParents():
                response.data["parents"] = error.parents
            case Refused(etag=etag) if etag:
                response["ETag"] = etag
            case MethodNotAllowed():
                response.data["detail"] = _say_where(context["request"], context["view"])
    return response


def envelope(code: str, detail: str, errors: dict[str, Any] | None = None) -> dict[str, Any]:
    """The body of an error response."""
    return {"code": code, "detail": detail, "errors": errors or {}}


def as_api_error(error: Exception) -> Exception:
    """The `APIException` that reports `error` to a client; `error` itself if it is a bug of ours."""
    known = error
    match error:
        case ModelValidationError():
            known = ValidationError(as_serializer_error(error))
        case UnknownTag():
            known = ValidationError({"tag": [str(error)]})
        case Entity.DoesNotExist():
            known = NotFound("There is no such entity type.")
        case ListedByParents():
            known = Refused(409, "listed_by_parents", str(error))
        case RequestDataTooBig():
            known = Refused(413, "body_too_big", "The request body is too big.")
        case TooManyFieldsSent():
            known = ParseError("There are too many parameters.")
        case UnreadablePostError():
            known = ParseError("The request body could not be read.")
    return known


def as_unavailable(error: Exception) -> Unavailable | None:
    """Which engine is missing, if that is what `error` means."""
    match error:
        case Unavailable():
            return error
        case WriteRefused():
            return Unavailable(str(error), "write_refused")
        case RedisError():
            return Unavailable("Redis does not answer. Try again in a moment.", "cache_unavailable")
        case OutcomeUnknown():
            during, code, detail = {"during": "commit"}, "outcome_unknown", OUTCOME_UNKNOWN
        case OperationalError() | InterfaceError() | InternalError():
            state = getattr(error.__cause__, "sqlstate", None) or ""
            if isinstance(error, InternalError) and state not in DATABASE_STATES:
                return None  # a bug, ours or PostgreSQL's
            during, (code, detail) = {}, DATABASE_STATES.get(state, DATABASE_AWAY)
        case _:
            return None
    logger.error("Database error", extra={"error": str(error)} | during)
    return Unavailable(detail, code)


def _say_where(request: Request, view: APIView) -> str:
    """The text of a 405: the methods this URL supports, and the URLs that support the method."""
    method = str(request.method)
    said = f"{method} does not work here; what does: {', '.join(view.allowed_methods)}."
    places = _find_places(method, view.kwargs) if isinstance(view, ViewSet) else []
    return f"{said} {method} works at {' and at '.join(places)}." if places else said


def _find_places(method: str, known: Mapping[str, str]) -> list[str]:
    """The entity type URLs that support it, preferably those for the same resource as the request."""
    from entities.api.urls import urlpatterns  # circular: they import the views, which import the error handling

    action = "get" if method == "HEAD" else method.lower()
    views: list[tuple[Any, Any]] = [(each.pattern, each.callback) for each in urlpatterns]
    having = [
        pattern for pattern, view in views if action in view.actions and view.initkwargs.get("schema", "no alias")
    ]
    same = [pattern for pattern in having if pattern.converters.keys() == known.keys()]
    root = reverse("api:entities").removesuffix("entity")
    return [
        root + PARAMETER.sub(lambda name: known.get(name[1], f"{{{name[1]}}}"), str(each)) for each in same or having
    ]


def _body(error: APIException) -> dict[str, Any]:
    if isinstance(error, ValidationError):
        return envelope("invalid", INVALID, _printable(as_serializer_error(error)))
    detail: Any = error.detail
    if isinstance(detail, dict):  # raised by simplejwt
        return envelope(str(detail["code"]), str(detail["detail"]))
    return envelope(detail.code, str(detail))


def _printable(errors: dict[str, Any]) -> Any:
    """The same text without lone surrogates, which input may contain and UTF-8 cannot encode."""
    return json.loads(json.dumps(errors, ensure_ascii=False).encode(errors="replace"))
