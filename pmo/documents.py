"""
What is cached of people, their groups and their logins: the documents and their bytes in Redis.

Redis is not where rights come from: each document is sealed with `SECRET_KEY` for its own key, so whoever can write to
Redis can give nobody another's rights, or more of them.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from django.conf import settings

Document = TypeVar("Document", bound=msgspec.Struct)

SEAL_CHARACTERS = 64


class PersonDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    One user, as far as it matters for what they may do.

    Attributes:
        password_mark: what tokens carry of the password hash, so that a new password ends them.
        groups: the numbers of their groups.
        permissions: their own, as `app_label.codename`.
    """

    id: int
    username: str
    is_active: bool
    is_staff: bool
    is_superuser: bool
    password_mark: str
    groups: tuple[int, ...]
    permissions: tuple[str, ...]


class GroupDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One group: what its members may do, as `app_label.codename`."""

    id: int
    permissions: tuple[str, ...]


class SignInDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One login by the API that has not ended, and whose it is."""

    id: str
    user: int


class NameDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name that a token of the sign-on has, and the number of the user of this name, if there is one."""

    id: str
    user: int | None


class TokenEndDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Until when what the sign-on issued for a name has ended, in seconds since the epoch; None if nothing has."""

    id: str
    ended_s: float | None


_encode = msgspec.json.Encoder().encode


def encode(document: Any) -> bytes:
    """The document as JSON, with its seal in front of it."""
    payload = _encode(document)
    return _seal(type(document), str(document.id), payload) + payload


def decoder(kind: type[Document]) -> Callable[[str, bytes], Document]:
    """What gives the document of an identifier's bytes; it raises ValueError unless `encode` gives them today."""
    decode_json = msgspec.json.Decoder(kind, strict=True).decode

    def decode(identifier: str, sealed: bytes) -> Document:
        seal, payload = sealed[:SEAL_CHARACTERS], sealed[SEAL_CHARACTERS:]
        if not hmac.compare_digest(seal, _seal(kind, identifier, payload)):
            raise ValueError("not sealed for this key")
        return decode_json(payload)

    return decode


def _seal(kind: type[Any], identifier: str, payload: bytes) -> bytes:
    message = b"\0".join((kind.__name__.encode(), identifier.encode(), payload))
    return hmac.digest(_sealing_key(settings.SECRET_KEY), message, "sha256").hex().encode()


@functools.cache
def _sealing_key(secret: str) -> bytes:
    return hashlib.sha256(b"pmo.people" + secret.encode()).digest()
