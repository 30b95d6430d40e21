"""
`python -m tests.benchmarks.answers CONTENDER TOKEN CODE`: what a contender answers, without a web server; prints JSON.

The document of CODE twice and the database queries of each, the status for a broken token, the status of a change, and
the document after it.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.benchmarks.contenders import CONTENDERS


def ask(application: Callable[..., Any], method: str, path: str, token: str, body: Any = None) -> tuple[int, bytes]:
    """Status and body of one request, handed to the application as a web server would."""
    sent = b"" if body is None else json.dumps(body).encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(sent)),
        "wsgi.input": io.BytesIO(sent),
    }
    setup_testing_defaults(environ)
    started: list[str] = []
    answer = application(environ, lambda status, *_: started.append(status))
    received = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return int(started[0].split()[0]), received


def show_answers(contender: str, token: str, code: str) -> dict[str, Any]:
    module, _, name = CONTENDERS[contender].application.partition(":")
    application = getattr(importlib.import_module(module), name)()
    path = f"/api/v1/entity/type/{code}"
    queries = []
    read = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as counted:
            read.append(ask(application, "GET", path, token))
        queries.append(len(counted))
    first, again = read
    changed = ask(application, "PATCH", f"/api/v1/entity/{code}", token, {"label": "Changed"})
    after = ask(application, "GET", path, token)
    return {
        "queries": queries,
        "statuses": [first[0], again[0], changed[0], after[0]],
        "first": json.loads(first[1]),
        "again": json.loads(again[1]),
        "after": json.loads(after[1]),
        "refused": ask(application, "GET", path, f"{token}x")[0],
    }


if __name__ == "__main__":
    json.dump(show_answers(*sys.argv[1:4]), sys.stdout)
