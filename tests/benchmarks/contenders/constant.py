"""The limit: a WSGI application that always gives the answer it found in a file, and looks at nothing."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ANSWER_VARIABLE = "BENCHMARK_ANSWER"


def load_application() -> Callable[..., Any]:
    """The application; its answer is JSON in the file that BENCHMARK_ANSWER names: status, headers and body."""
    answer = json.loads(Path(os.environ[ANSWER_VARIABLE]).read_text())
    status = str(answer["status"])
    headers = [(str(name), str(value)) for name, value in answer["headers"]]
    body = [answer["body"].encode()]

    def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response(status, headers)
        return body

    return application
