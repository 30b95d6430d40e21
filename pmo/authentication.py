"""Who is asking: users by name or e-mail address, and programs by token."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import Token

from cache_layer.fail_safe import DATABASE_AWAY, is_away, note_away, note_back
from cache_layer.options import get_options
from pmo.provenance import note_user
from pmo.tokens import require_sign_in

ATTEMPT_NAME_LENGTH = 255
"""The width of django-axes' column."""


def find_user(name: str) -> User | None:
    """The user of this user name, or else of this e-mail address; nobody if several share the address."""
    if "\0" in name:
        return None
    by_name = User.objects.filter(username=User.normalize_username(name)).first()
    if by_name is not None or "@" not in name:
        return by_name
    by_email = list(User.objects.filter(email__iexact=name)[:2])
    return by_email[0] if len(by_email) == 1 else None


def name_attempted(_request: HttpRequest | None, credentials: Mapping[str, Any] | None = None) -> str:
    """
    Under which name django-axes counts a login: what was typed, in one spelling.

    Whose name it is it does not ask: two names that are counted together would tell that they are one user's.
    """
    typed = str((credentials or {}).get("username") or "").replace("\0", "")
    # To upper case first, as the database compares addresses: it takes the dotless i for an i.
    return User.normalize_username(typed).upper().lower()[:ATTEMPT_NAME_LENGTH]


def forget_failures(request: HttpRequest | None, typed: str) -> None:
    """After a login that succeeded: those that failed under the name that was typed, from the same address."""
    address = getattr(request, "axes_ip_address", None)
    AxesProxyHandler.reset_attempts(username=name_attempted(request, {"username": typed}), ip_address=address)


def address_behind_proxy(request: HttpRequest) -> str:
    """
    From where a login comes, as the one proxy before us saw it: the last address of `X-Forwarded-For`.

    What is before it the client may have made up. Without an address there it is the proxy's own.
    """
    last = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(last))
    except ValueError:
        return str(request.META["REMOTE_ADDR"])


class UsernameOrEmailBackend(ModelBackend):
    """Django's own, which also takes an e-mail address that only one user has."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        if username is None or "\0" in username:
            return None
        user = find_user(username)
        # For unknown names too: it then takes the time of checking a password, so that nobody can find out names.
        found = super().authenticate(request, username=user.username if user else username, password=password)
        if found is not None:
            forget_failures(request, username)
        return found


class Verdict(NamedTuple):
    """A token that was found valid: when the database was asked, and until when it is taken for valid."""

    asked: float
    until: float
    user: Any
    token: Token


class Verdicts:
    """
    The tokens this process found valid within the last second.

    A user who is deactivated, logs out, has a new password or other permissions is treated so everywhere a second later
    at most: the user object lives, with the permissions Django keeps on it, no longer than its verdict. Invalid tokens
    are never kept.

    While the database is away and the cache may serve what it last knew (`CACHE_STALE_SECONDS`), verdicts last as long
    as that, for reads alone: nobody can be asked then. One that the database has contradicted since is forgotten.
    """

    LIFE_SECONDS = 1.0
    LIMIT = 1024

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.forget()

    def forget(self) -> None:
        """Start empty, also in a forked child whose parent may have been holding the lock."""
        self._lock = threading.Lock()
        self._by_digest: dict[bytes, Verdict] = {}

    def find(self, header: bytes) -> Verdict | None:
        """The verdict on this `Authorization` header, if it is young enough."""
        verdict = self._by_digest.get(_digest(header))
        return verdict if verdict is not None and self.clock() < verdict.until else None

    def find_last(self, header: bytes) -> Verdict | None:
        """The last verdict on this header, if it is young enough for what is known to be stale."""
        verdict = self._by_digest.get(_digest(header))
        seconds = get_options().fail_safe_seconds
        return verdict if verdict is not None and self.clock() < verdict.asked + seconds else None

    def drop(self, header: bytes) -> None:
        """This token is not valid any more."""
        with self._lock:
            self._by_digest.pop(_digest(header), None)

    def keep(self, header: bytes, user: Any, token: Token, *, asked: float) -> Verdict:
        """
        Remember a valid token, in place of the one that is next to expire if there are too many.

        Args:
            asked: the clock from before the database was asked about the user.
        """
        life = min(self.LIFE_SECONDS, token["exp"] - time.time())
        digest = _digest(header)
        with self._lock:
            self._by_digest.pop(digest, None)
            while len(self._by_digest) >= self.LIMIT:
                del self._by_digest[next(iter(self._by_digest))]
            verdict = self._by_digest[digest] = Verdict(asked, asked + life, user, token)
        return verdict

    def __len__(self) -> int:
        return len(self._by_digest)


verdicts = Verdicts()
os.register_at_fork(after_in_child=verdicts.forget)


class TokenAuthentication(JWTAuthentication):
    """
    A JWT in `Authorization: Bearer`, whose user exists, is active and has the password of when it was issued, and whose
    login has not ended.

    Reads take a verdict that is up to a second old; writes ask the database. While it is away, reads may take the last
    verdict of this process on a token whose signature and lifetime are right.
    """

    def authenticate(self, request: Request) -> tuple[Any, Token] | None:
        header = self.get_header(request)
        if header is None:
            return None
        is_read = request.method in ("GET", "HEAD")
        if is_read:
            verdict = verdicts.find(header)
            if verdict is not None:
                return _trust(request, verdict)
            if is_away() and (last := self._find_last(header)):
                return _trust(request, last)
        asked = verdicts.clock()
        try:
            found: tuple[Any, Token] | None = super().authenticate(request)
        except DATABASE_AWAY:
            last = self._find_last(header) if is_read else None
            if last is None:
                raise
            note_away()
            return _trust(request, last)
        except AuthenticationFailed:
            verdicts.drop(header)
            raise
        if found is not None:
            note_back()
        return found and _trust(request, verdicts.keep(header, *found, asked=asked))

    def get_user(self, validated_token: Token) -> Any:
        user = super().get_user(validated_token)
        require_sign_in(validated_token)
        return user

    def _find_last(self, header: bytes) -> Verdict | None:
        """
        The last verdict on a token that is still what it says.

        Raises:
            InvalidToken: it is not, or has expired.
        """
        raw = self.get_raw_token(header)
        if raw is None:
            return None
        self.get_validated_token(raw)
        return verdicts.find_last(header)


def _trust(request: Request, verdict: Verdict) -> tuple[Any, Token]:
    """Tell the views how long this answer to "who is asking" holds, in ns of the monotonic clock."""
    note_user(verdict.user)
    request._request.trusted_until_ns = int(verdict.until * 1e9)  # type: ignore[attr-defined] # read by the API
    return verdict.user, verdict.token


def _digest(header: bytes) -> bytes:
    return hashlib.blake2b(header, digest_size=16).digest()
