"""
The cached documents of users, groups and logins, and their bytes in Redis.

Redis is not a source of rights: each document is sealed with `SECRET_KEY` for its own key, so whoever can write to
Redis can neither add rights nor swap one user's for another's.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from django.conf import settings

from entities import releases

Document = TypeVar("Document", bound=msgspec.Struct)

SEAL_CHARACTERS = 64


class PersonDocument(msgspec.Struct, frozen=True):
    """
    One user, as far as it matters for permissions.

    Attributes:
        password_mark: the part of the password hash that tokens carry, so that a new password ends them.
        groups: ids of the user's groups.
        permissions: the user's own, as `app_label.codename`.
    """

    id: int
    username: str
    is_active: bool
    is_staff: bool
    is_superuser: bool
    password_mark: str
    groups: tuple[int, ...]
    permissions: tuple[str, ...]


class GroupDocument(msgspec.Struct, frozen=True):
    """One group and its members' permissions, as `app_label.codename`."""

    id: int
    permissions: tuple[str, ...]


class SignInDocument(msgspec.Struct, frozen=True):
    """One API login that has not ended, and its user."""

    id: str
    user: int


class NameDocument(msgspec.Struct, frozen=True):
    """A name from a sign-on token, and the id of the user with this name, if any."""

    id: str
    user: int | None


class TokenEndDocument(msgspec.Struct, frozen=True):
    """When the sign-on's tokens for a name were last ended, in seconds since the epoch; None if never."""

    id: str
    ended_s: float | None


def encode(document: Any) -> bytes:
    """The document as JSON, prefixed with its seal."""
    payload = releases.encode(document)
    return _seal(type(document), str(document.id), payload) + payload


def decoder(kind: type[Document]) -> Callable[[str, bytes], Document]:
    """A decoder for one kind of document; it raises ValueError for bytes that no release's `encode` wrote."""

    def decode(identifier: str, sealed: bytes) -> Document:
        seal, payload = sealed[:SEAL_CHARACTERS], sealed[SEAL_CHARACTERS:]
        if not hmac.compare_digest(seal, _seal(kind, identifier, payload)):
            raise ValueError("not sealed for this key")
        return releases.decode(kind, payload)

    return decode


def _seal(kind: type[Any], identifier: str, payload: bytes) -> bytes:
    key = hashlib.sha256(b"pmo.people" + settings.SECRET_KEY.encode()).digest()
    message = b"\0".join((kind.__name__.encode(), identifier.encode(), payload))
    return hmac.digest(key, message, "sha256").hex().encode()
