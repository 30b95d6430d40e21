"""How much a form with files may bring, whoever sends it: Django limits everything but the files themselves."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler

MAX_BYTES = 10_000_000
"""Twice what an import takes, so that who chose too large a file is mostly told so by the form itself."""


class BoundedUpload(FileUploadHandler):
    """Refuses a longer request before any of it is read, and leaves the others to the handlers after it."""

    def handle_raw_input(self, input_data: Any, META: Any, content_length: int, *args: Any, **kwargs: Any) -> None:  # noqa: N803 - Django names it
        if content_length > MAX_BYTES:
            raise RequestDataTooBig("The request body is too big.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None
