"""Response compression for clients that accept it."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django_http_compression.middleware import HttpCompressionMiddleware

from entities.api.conditions import tag_coded

MIN_BYTES = 1_400
"""A shorter response fits into one packet uncompressed."""


class CompressionMiddleware(HttpCompressionMiddleware):
    """
    Zstandard or gzip, by the client's preference, for longer responses.

    Pages are padded randomly, so that their length reveals nothing about secrets in them (BREACH). The API's JSON never
    mixes secrets with attacker-chosen input: there a document always gives the same bytes, with a strong tag.
    """

    def maybe_compress(self, request: HttpRequest, response: HttpResponseBase) -> None:
        if not response.streaming and len(response.content) < MIN_BYTES:  # type: ignore[attr-defined] # it has a content then
            return
        tag = response.headers.get("ETag")
        super().maybe_compress(request, response)
        coding = response.headers.get("Content-Encoding")
        if coding and response.headers["Content-Type"] == "application/json":
            response.headers.pop("X-Noise", None)
            if tag:
                response.headers["ETag"] = tag_coded(tag, coding)
