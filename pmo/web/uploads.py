"""Limits the size of multipart forms from anyone: Django limits everything but the files themselves."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler

MAX_BYTES = 10_000_000
"""Twice the import limit, so that a file that is too large is usually reported by the form itself."""


class BoundedUpload(FileUploadHandler):
    """Refuses larger requests before reading any of them, and leaves the rest to the next handlers."""

    def handle_raw_input(self, input_data: Any, META: Any, content_length: int, *args: Any, **kwargs: Any) -> None:  # noqa: N803 - Django names it
        if content_length > MAX_BYTES:
            raise RequestDataTooBig("The request body is too big.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None
