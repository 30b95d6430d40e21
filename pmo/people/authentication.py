"""Authentication: users by name or e-mail address, programs by token."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest
from jwt import PyJWTError
from rest_framework.exceptions import APIException
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import Token

from cache_layer import Admission
from pmo.lookups import GROUP, PERSON
from pmo.people.admissions import admit, user_of
from pmo.people.provenance import note_user
from pmo.people.sign_on import Claims, SignOn
from pmo.people.sign_on_keys import KeysUnknown

FORWARDED = re.compile(r"\[(?P<bracketed>[^]%]+)(?:%[^]]*)?](?::\d{1,5})?|(?P<with_port>[\d.]+):\d{1,5}")
"""An address with a port, or in brackets; an IPv6 zone is dropped: it is only valid on its own machine."""
ATTEMPT_NAME_LENGTH = 255
"""The width of django-axes' column."""


def find_user(name: str) -> User | None:
    """The user with this username, or else with this e-mail address; None if several share the address."""
    if "\0" in name:
        return None
    by_name = User.objects.filter(username=User.normalize_username(name)).first()
    if by_name is not None or "@" not in name:
        return by_name
    by_email = list(User.objects.filter(email__iexact=name)[:2])
    return by_email[0] if len(by_email) == 1 else None


def name_attempted(_request: HttpRequest | None, credentials: Mapping[str, Any] | None = None) -> str:
    """
    The name under which django-axes counts a login attempt: as typed, normalised.

    Deliberately does not resolve the account: shared counters would reveal aliases.
    """
    typed = str((credentials or {}).get("username") or "").replace("\0", "")
    # To upper case first, as the database compares addresses: it equates the dotless i with i.
    return User.normalize_username(typed).upper().lower()[:ATTEMPT_NAME_LENGTH]


def address_behind_proxy(request: HttpRequest) -> str:
    """
    The client's address as our proxy saw it: the last one in `X-Forwarded-For`.

    The client may have forged those before it. Without an address there, it is the proxy's own.
    """
    named = [part for part in map(str.strip, request.headers.get("X-Forwarded-For", "").split(",")) if part]
    return (_address_in(named[-1]) if named else None) or str(request.META["REMOTE_ADDR"])


def _address_in(part: str) -> str | None:
    """The normalised address in `203.0.113.7:51234`, `[2001:db8::1]:443` or a bare address."""
    part = part.strip('"')
    found = FORWARDED.fullmatch(part)
    alone = (found["bracketed"] or found["with_port"]) if found else part.partition("%")[0]
    try:
        address = ipaddress.ip_address(alone)
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


class UsernameOrEmailBackend(ModelBackend):
    """Django's backend, which also accepts an e-mail address that only one user has."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        if username is None or "\0" in username:
            return None
        user = find_user(username)
        # Also for unknown names, so that the time it takes does not reveal which names exist.
        found = super().authenticate(request, username=user.username if user else username, password=password)
        if found is not None:  # forget failed attempts under the typed name from the same address
            address = getattr(request, "axes_ip_address", None)
            name = name_attempted(request, {"username": username})
            AxesProxyHandler.reset_attempts(username=name, ip_address=address)
        return found

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Like Django's, from the cache."""
        if user_obj.is_anonymous or user_obj.is_superuser or not user_obj.is_active or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):  # Django's own attribute, which lives as long as the user object
            person = PERSON.read(str(user_obj.pk)).document
            groups = GROUP.read_many(map(str, person.groups)).values() if person else ()
            of_groups = (read.document.permissions for read in groups if read.document)
            user_obj._perm_cache = set(person.permissions if person else ()).union(*of_groups)
        return set(user_obj._perm_cache)


class SignOnSilent(APIException):
    """The sign-on's keys are unavailable, so a token that may be one of its own cannot be verified."""

    status_code = 503
    wait = 2
    default_detail = "The platform's sign-on does not answer. Try again in a moment."
    default_code = "sign_on_unavailable"


class TokenAuthentication(JWTAuthentication):
    """
    A JWT in `Authorization: Bearer`: one of ours, or of the platform's sign-on if one is configured.

    The token's user is read like an entity type, from the cache where allowed: whatever ends a token takes effect
    everywhere before it returns. While the database is down and the cache may serve stale entries
    (`CACHE_STALE_SECONDS`), reads accept stale user data too.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        admission = Admission.of(request.META)
        if admission is None:
            token = token_of(request)
            if token is None:
                return None
            admission = admit(token, is_read=request.method in SAFE_METHODS)
        user = user_of(admission.user)
        note_user(user)
        if admission.copies:
            admission.note(request._request.META)
        return user, admission


def token_of(request: Request) -> Token | Claims | None:
    """
    The request's token, if any: ours, or the claims of a sign-on token.

    Raises:
        InvalidToken: its signature is invalid or it has expired.
        SignOnSilent: that cannot be verified now.
    """
    reader = JWTAuthentication()
    header = reader.get_header(request)
    raw = reader.get_raw_token(header) if header is not None else None
    if raw is None:
        return None
    try:
        return reader.get_validated_token(raw)
    except InvalidToken as refused:
        sign_on: SignOn | None = settings.SIGN_ON
        if sign_on is None:
            raise
        try:
            return sign_on.read(raw)
        except PyJWTError:
            raise refused from None
        except KeysUnknown as error:
            raise SignOnSilent from error
