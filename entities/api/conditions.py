"""Responses with a document and its entity tag (ETag), and conditional requests (RFC 9110, section 13)."""

import hashlib
import re
from typing import Any

from django.http import HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from cache_layer import Admission, Read, Source
from entities.changes import Check
from entities.documents import EntityDocument, document_of, encode
from entities.models import Entity
from entities.words.icons import describe_former

PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}
CODED = re.compile(r'-(?:br|gzip|zstd)"$')
STALE_WARNING = '110 - "Response is Stale"'
"""RFC 7234, section 5.5.1: the database is down, and this is the last known state."""
CHANGED = "It changed since the version that If-Match names. Read it again."
MALFORMED = "If-Match must list entity tags as `ETag` gives them, each in double quotes, separated by commas."
WEAK = "If-Match names a weak tag, which never matches (RFC 9110, section 13.1.1): send it as received, without W/."
MAX_CONDITION_LENGTH = 8_192
"""Characters of an `If-None-Match`; longer ones are ignored."""


class Refused(APIException):
    """A refusal for which DRF has no class; `etag` is that of the current document, if another was meant."""

    def __init__(self, status_code: int, code: str, detail: str, *, etag: str = "") -> None:
        super().__init__(detail, code)
        self.status_code, self.etag = status_code, etag


def answer_read(request: Request, read: Read[Any]) -> HttpResponse:
    """The payload of a read, byte for byte; 304 without it if `If-None-Match` names it."""
    tag = _tag_of(read.payload)
    headers = PRIVATE | {"ETag": tag, "X-Cache": read.source}
    if read.source is Source.STALE:
        headers["Warning"] = STALE_WARNING
    sent = request.headers.get("If-None-Match", "")
    known = parse_etags(sent) if len(sent) <= MAX_CONDITION_LENGTH else []
    same = [each for each in known if each == "*" or _uncoded(each.removeprefix("W/")) == tag]
    if same:
        headers["ETag"] = same[0].removeprefix("W/") if same != ["*"] else tag
        response: HttpResponse = HttpResponseNotModified(headers=headers)
    else:
        response = HttpResponse(read.payload, content_type="application/json", headers=headers)
    admission = Admission.of(request.META)
    if admission is not None:
        same_but = {"local": {"x-cache": Source.LOCAL}, "asked": {"x-cache": Source.REDIS}}
        admission.allow_replay(response, read.copies, **same_but)
    return response


def answer_entity(entity: Entity, *, status: int = 200) -> HttpResponse:
    """The document of a row just written, with a `Warning` if its icon has been renamed."""
    payload = encode(document_of(entity))
    answer = HttpResponse(payload, "application/json", status, headers={"ETag": _tag_of(payload)})
    if former := describe_former(entity.icon):
        answer["Warning"] = f'299 - "{former}"'  # RFC 7234, section 5.5.6: for people
    return answer


def check_match(request: Request, document: EntityDocument) -> Check:
    """Compare a document with `If-Match` now; the result repeats it with the row, under its lock."""
    _require_match(request, document)
    return lambda entity: _require_match(request, document_of(entity))


def _require_match(request: Request, document: EntityDocument) -> None:
    """Refuse a document whose tag `If-Match` does not list, if the request has one."""
    sent = request.headers.get("If-Match")
    if sent is None:
        return
    expected, current = parse_etags(sent), _tag_of(encode(document))
    if expected != ["*"] and current not in map(_uncoded, expected):
        raise Refused(412, "precondition_failed", _why(sent, expected), etag=current)


def _why(sent: str, expected: list[str]) -> str:
    """Why an `If-Match`, of which these tags could be parsed, does not match."""
    if len(expected) != len(sent.split(",")):
        return MALFORMED
    return WEAK if any(tag.startswith("W/") for tag in expected) else CHANGED


def tag_coded(tag: str, coding: str) -> str:
    """The tag of the same document in a content coding: other bytes, so another tag."""
    return f'{tag[:-1]}-{coding}"'


def _uncoded(tag: str) -> str:
    return CODED.sub('"', tag)


def _tag_of(payload: bytes) -> str:
    return f'"{hashlib.blake2b(payload, digest_size=16).hexdigest()}"'
