"""Finds the URLs that support a method when the requested one does not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

PARAMETER = re.compile(r"<\w+:(\w+)>")


def say_where(request: Request, view: APIView) -> str:
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
