"""Serves the OpenAPI document."""

import functools
import threading
from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class DescriptionView(SpectacularAPIView):
    """The OpenAPI document as YAML or JSON, the same for everyone; slow to build, so each process builds it once."""

    content_negotiation_class = DefaultContentNegotiation

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        renderer: Any = type(request.accepted_renderer)
        headers = {"Content-Disposition": f'inline; filename="pmo.{renderer.format}"'}
        with _making:
            described = _describe(renderer)
        return HttpResponse(described, renderer.media_type, headers=headers)


class DocumentationView(SpectacularSwaggerView):
    """The Swagger UI page. OPTIONS gets a bare `Allow`: a page has nothing to show for it."""

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return HttpResponse(status=204, headers={"Allow": ", ".join(self.allowed_methods)})


_making = threading.Lock()
"""Concurrent first calls collide: spectacular loads its extensions then."""


@functools.cache
def _describe(renderer: Callable[[], BaseRenderer]) -> str | bytes:
    described: Any = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call] # its own
    rendered: str | bytes = renderer().render(described, renderer_context={})
    return rendered
