"""
A request as Django gets it: complete, or marked as unreadable.

Unreadable input is reported, never treated as absent. Django builds the request before its first middleware runs, so an
exception there gets neither an answer nor a log line; it reads a body up to `Content-Length`, so a body without one
(`Transfer-Encoding: chunked`, as streaming clients and proxies send) is empty to it; and it takes a truncated body for
a complete one.

Granian ends a chunked body the same way whether the client sent all of it or disconnected (2.8.7). So one is only
accepted if its content shows its end: JSON and multipart forms do. Any other form needs a length.
"""

import tempfile
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.core.handlers.wsgi import LimitedStream, WSGIHandler, WSGIRequest
from django.core.wsgi import get_wsgi_application
from rest_framework.exceptions import APIException, ParseError

Environ = dict[str, Any]

MULTIPART, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"
WITH_BODY = ("POST", "PUT", "PATCH")
CHUNK_BYTES = 64 * 1024
MAX_BYTES = 10_000_000
"""Of a multipart form from anyone: twice the import limit, so that the form itself usually reports a larger file."""


class BoundedUpload(MemoryFileUploadHandler):
    """Django's first handler, which refuses larger forms before reading any of them: Django bounds all but files."""

    def handle_raw_input(self, input_data: Any, META: Any, content_length: int, *args: Any, **kwargs: Any) -> None:  # noqa: N803 - Django names it
        if content_length > MAX_BYTES:
            raise RequestDataTooBig("The request body is too big.")
        super().handle_raw_input(input_data, META, content_length, *args, **kwargs)


class LengthRequired(APIException):
    """The server cannot tell where the body ends."""

    status_code = 411
    default_detail = "It is impossible to know whether this body is complete: send it with a Content-Length."
    default_code = "length_required"


class WholeStream(LimitedStream):
    """
    Django's stream of a body that must be as long as announced.

    Raises:
        ConnectionError: it ended early; Django turns this into an `UnreadablePostError`.
    """

    _pos: int

    def read(self, size: int | None = -1, /) -> bytes:
        left = self.limit - self._pos
        data: bytes = super().read(size)
        if len(data) < (left if size is None or size < 0 else min(size, left)):
            raise ConnectionError
        return data


class Request(WSGIRequest):
    """Django's request, which can be built from any input; `problem` is why it cannot be answered, if so."""

    problem: APIException | None = None

    def __init__(self, environ: Environ) -> None:
        self._received: IO[bytes] | None = None
        try:
            self._receive(environ)
            self._make(environ)
        except APIException as problem:
            self.problem = problem
        except (LookupError, ValueError, SuspiciousOperation):  # with a charset it reads the query string too
            what = "Its Content-Type, or its query string in that charset, can't be read."
            self.problem = ParseError(what, "unreadable")
        except OSError:
            self.problem = ParseError("Its body ended too soon.", "unreadable")
        if self.problem is not None:
            environ |= {"CONTENT_TYPE": "", "CONTENT_LENGTH": "0"}
            super().__init__(environ)

    def _make(self, environ: Environ) -> None:
        super().__init__(environ)
        stream: Any = self._stream
        self._stream = WholeStream(environ["wsgi.input"], stream.limit)  # type: ignore[assignment] # as Django does
        parameters = self.content_params or {}
        if "charset" in parameters:
            # Django only checks that a codec of this name exists: some are not for text, and some reject "replace".
            b"\xff".decode(parameters["charset"], "replace")
        if self._received is not None and self.content_type == MULTIPART and stream.limit <= MAX_BYTES:
            end = f"--{parameters.get('boundary', '')}--".encode()
            self._received.seek(max(0, stream.limit - len(end) - 2))
            if not self._received.read().rstrip(b"\r\n").endswith(end):
                raise ConnectionError
            self._received.seek(0)

    def _receive(self, environ: Environ) -> None:
        """
        Give a body without a length its length; of a body over Django's limit read just enough to exceed it.

        Raises:
            LengthRequired: the server would wait for more data, or not report missing data.
            OSError: the client disconnected before it had sent everything.
        """
        if environ.get("CONTENT_LENGTH") or environ["REQUEST_METHOD"].upper() not in WITH_BODY:
            return
        content_type = environ.get("CONTENT_TYPE", "").lower()
        if not environ.get("wsgi.input_terminated") or content_type.startswith(URLENCODED):
            if "HTTP_TRANSFER_ENCODING" in environ:
                raise LengthRequired
            return
        most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = self._received = tempfile.SpooledTemporaryFile(most)  # noqa: SIM115 - `close` closes it
        if content_type.startswith(MULTIPART):
            most = MAX_BYTES
        length = 0
        while length <= most and (chunk := environ["wsgi.input"].read(min(CHUNK_BYTES, most + 1 - length))):
            length += body.write(chunk)
        body.seek(0)
        environ |= {"wsgi.input": body, "CONTENT_LENGTH": str(length)}

    def close(self) -> None:
        super().close()
        if self._received is not None:
            self._received.close()


def make_application() -> WSGIHandler:
    """Django's application, for such requests."""
    application = get_wsgi_application()
    application.request_class = Request
    return application
