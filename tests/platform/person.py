"""Somebody with a token, who asks a server that keeps what it knows of them."""

from __future__ import annotations

import json
from time import monotonic_ns
from typing import Any

from django.contrib.auth.models import User
from django.core.wsgi import get_wsgi_application

from tests.api.test_express_lane import TYPE, Server


class Person:
    def __init__(self, user: User, token: str) -> None:
        self.user, self.token = user, token
        self.start_server()

    def start_server(self) -> None:
        """One that knows nobody yet."""
        self.server = Server(get_wsgi_application())
        self.server.is_django = True

    def send(self, method: str, path: str, **body: Any) -> int:
        """The status of an answer."""
        text = json.dumps(body)
        answer = self.server.ask(
            path,
            REQUEST_METHOD=method,
            HTTP_AUTHORIZATION=f"Bearer {self.token}",
            CONTENT_TYPE="application/json",
            CONTENT_LENGTH=str(len(text)),
            body=text,
        )
        return int(answer.status[:3])

    def read(self, token: str = "") -> int:
        return int(self.server.ask(TYPE, HTTP_AUTHORIZATION=f"Bearer {token or self.token}").status[:3])

    def change(self) -> int:
        return self.send("PATCH", "/api/v1/entity/project", label=f"New {monotonic_ns()}")

    def make_known(self) -> None:
        """Have the server know what they may."""
        assert [self.read() for _ in range(3)] == [200] * 3
        assert self.change() == 200
