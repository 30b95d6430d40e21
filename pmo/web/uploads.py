"""Limits the size of multipart forms from anyone: Django limits everything but the files themselves."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import MemoryFileUploadHandler

MAX_BYTES = 10_000_000
"""Twice the import limit, so that a file that is too large is usually reported by the form itself."""


class BoundedUpload(MemoryFileUploadHandler):
    """Django's first handler, which refuses larger requests before reading any of them."""

    def handle_raw_input(self, input_data: Any, META: Any, content_length: int, *args: Any, **kwargs: Any) -> None:  # noqa: N803 - Django names it
        if content_length > MAX_BYTES:
            raise RequestDataTooBig("The request body is too big.")
        super().handle_raw_input(input_data, META, content_length, *args, **kwargs)
