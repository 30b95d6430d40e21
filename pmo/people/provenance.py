"""Records who changes something and from where, with every entity type version and every invalidation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pghistory
from django.http import HttpRequest, HttpResponse

from cache_layer import origin
from entities.management.terminal import shell_user

SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


class ProvenanceMiddleware:
    """Notes whether a request that may change something came to the admin or the API, and its user."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in SAFE_METHODS:
            return self.get_response(request)
        source = "api" if request.path.startswith("/api/") else "admin"
        with origin.working_for(source), pghistory.context(source=source):
            if source == "admin":
                note_user(request.user)
            return self.get_response(request)


def note_user(user: Any) -> None:
    """Attribute changes from here on to this user; does nothing outside a request that may change something."""
    if user.is_authenticated:
        pghistory.context(user=user.pk, username=user.get_username())


@contextmanager
def running_command(name: str) -> Iterator[None]:
    """Attribute changes in the block to a management command."""
    with origin.working_for("command"), pghistory.context(source="command", command=name, username=shell_user()):
        yield
