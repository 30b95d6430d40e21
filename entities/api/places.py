"""Where a method works that an address does not have."""

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
    """What a 405 tells people: which methods the address has, and which addresses have the method."""
    method = str(request.method)
    said = f"{method} does not work here; what does: {', '.join(view.allowed_methods)}."
    places = _find_places(method, view.kwargs) if isinstance(view, ViewSet) else []
    return f"{said} {method} works at {' and at '.join(places)}." if places else said


def _find_places(method: str, known: Mapping[str, str]) -> list[str]:
    """The addresses of entity types that have it: those about the same as what was asked, if there are any."""
    from entities.api.urls import urlpatterns  # they import the views, and those what answers errors

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
