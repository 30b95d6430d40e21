"""
A request as Django gets it: whole, or said to be unreadable.

What can't be read is told, never taken for something that was not sent. Django makes the request before its first
middleware runs, so that what raises there has neither an answer nor a line in the log; it reads a body up to its
`Content-Length`, so that one without (`Transfer-Encoding: chunked`, as streaming clients and proxies send) is empty;
and it takes a body that ends too soon for a whole one.

Granian ends a body in chunks alike whether the client sent all of it or went away (2.8.7). So one is read only if it
shows its own end: JSON does, and a form with files. Any other form has to have a length.
"""

from __future__ import annotations

import tempfile
from typing import IO, Any

import django
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.wsgi import LimitedStream, WSGIHandler, WSGIRequest
from rest_framework.exceptions import APIException

from pmo.web.uploads import MAX_BYTES

Environ = dict[str, Any]

MULTIPART, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"
WITH_BODY = ("POST", "PUT", "PATCH")
CHUNK_BYTES = 64 * 1024


class Unreadable(APIException):
    """Something in a request is not what HTTP lets it be."""

    status_code = 400
    default_code = "unreadable"


class LengthRequired(APIException):
    """This server can't tell where the body ends."""

    status_code = 411
    default_detail = "Nobody can tell whether this body is whole: send it with a Content-Length."
    default_code = "length_required"


class WholeStream(LimitedStream):
    """
    Django's, of a body that is to be as long as it was said to be.

    Raises:
        ConnectionError: it ended before; Django makes an `UnreadablePostError` of it.
    """

    _pos: int

    def read(self, size: int | None = -1, /) -> bytes:
        left = self.limit - self._pos
        data: bytes = super().read(size)
        if len(data) < (left if size is None or size < 0 else min(size, left)):
            raise ConnectionError
        return data

    def readline(self, size: int | None = -1, /) -> bytes:
        line: bytes = super().readline(size)
        if not line and size != 0 and self._pos < self.limit:
            raise ConnectionError
        return line


class Request(WSGIRequest):
    """
    Django's, which can be made of whatever was sent.

    Attributes:
        problem: why it can't be answered, if it can't.
    """

    problem: APIException | None = None

    def __init__(self, environ: Environ) -> None:
        self._received: IO[bytes] | None = None
        try:
            self._receive(environ)
            self._make(environ)
        except APIException as problem:
            self.problem = problem
        except (LookupError, ValueError, SuspiciousOperation):  # with a charset, it reads the query string too
            self.problem = Unreadable("Its Content-Type, or its query string by the charset there, can't be read.")
        except OSError:
            self.problem = Unreadable("Its body ended too soon.")
        if self.problem is not None:
            environ |= {"CONTENT_TYPE": "", "CONTENT_LENGTH": "0"}
            super().__init__(environ)

    def _make(self, environ: Environ) -> None:
        super().__init__(environ)
        stream: Any = self._stream
        self._stream = WholeStream(environ["wsgi.input"], stream.limit)  # type: ignore[assignment] # as Django does
        parameters = self.content_params or {}
        if "charset" in parameters:
            # Django asks whether there is a codec of this name: some are not for texts, and some refuse "replace".
            b"\xff".decode(parameters["charset"], "replace")
        if self._received is not None and self.content_type == MULTIPART and stream.limit <= MAX_BYTES:
            end = f"--{parameters.get('boundary', '')}--".encode()
            self._received.seek(max(0, stream.limit - len(end) - 2))
            if not self._received.read().rstrip(b"\r\n").endswith(end):
                raise ConnectionError
            self._received.seek(0)

    def _receive(self, environ: Environ) -> None:
        """
        Give a body without a length its length; of one that is longer than Django takes only so much that it says so.

        Raises:
            LengthRequired: the server would wait for more, or would not tell that there should be more.
            OSError: the client went away before it had sent all.
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


class Handler(WSGIHandler):
    """Django's, for such requests."""

    request_class = Request


def make_application() -> Handler:
    """As Django's `get_wsgi_application`."""
    django.setup(set_prefix=False)
    return Handler()
