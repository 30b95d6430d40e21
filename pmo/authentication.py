"""Who is asking: users by name or e-mail address, and programs by token."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Mapping
from itertools import chain
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.db import OperationalError, router
from django.http import HttpRequest
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import AuthenticationFailed
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

from cache_layer.express import ADMISSION, Admission
from cache_layer.fills import Read, Source
from cache_layer.lookup import Lookup
from cache_layer.reads import read_entries, read_entry
from pmo.lookups import GROUP, PERSON, SIGN_IN, is_sign_in_id
from pmo.people import PersonDocument
from pmo.provenance import note_user
from pmo.tokens import CLAIM

FORWARDED = re.compile(r"\[(?P<bracketed>[^]%]+)(?:%[^]]*)?](?::\d{1,5})?|(?P<with_port>[\d.]+):\d{1,5}")
"""An address with a port, or in brackets; the zone of an IPv6 address means something on its own machine alone."""
ATTEMPT_NAME_LENGTH = 255
"""The width of django-axes' column."""
USER_FIELDS = tuple(
    field.attname for field in User._meta.concrete_fields if field.attname in PersonDocument.__struct_fields__
)
"""What a user object is made of, in the order in which Django takes it."""
NOBODY: Read[Any] = Read(None, b"", Source.LOCAL)


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
    named = [part for part in map(str.strip, request.headers.get("X-Forwarded-For", "").split(",")) if part]
    return (_address_in(named[-1]) if named else None) or str(request.META["REMOTE_ADDR"])


def _address_in(part: str) -> str | None:
    """The address of `203.0.113.7:51234`, `[2001:db8::1]:443` or one that stands alone, in one spelling."""
    part = part.strip('"')
    found = FORWARDED.fullmatch(part)
    alone = (found["bracketed"] or found["with_port"]) if found else part.partition("%")[0]
    try:
        address = ipaddress.ip_address(alone)
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


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

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """As Django's, from the cache."""
        if user_obj.is_anonymous or user_obj.is_superuser or not user_obj.is_active or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):  # where Django's own keeps them, as long as the user object lives
            user_obj._perm_cache = permissions_of(user_obj)
        return set(user_obj._perm_cache)


class TokenAuthentication(JWTAuthentication):
    """
    A JWT in `Authorization: Bearer`, whose user exists, is active and has the password of when it was issued, and whose
    login has not ended.

    Whom it belongs to is read like an entity type, from the cache where that is allowed: what ends a token is in force
    everywhere when it returns. While the database is away and the cache may serve what it last knew
    (`CACHE_STALE_SECONDS`), reads take that of people too.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        admission: Admission | None = request.META.get(ADMISSION)
        if admission is None:
            token = token_of(request)
            if token is None:
                return None
            admission = _admit(token, is_read=request.method in SAFE_METHODS)
        user = _user_of(admission.user)
        note_user(user)
        if admission.copies:
            request._request.META[ADMISSION] = admission
        return user, admission


def token_of(request: Request) -> Token | None:
    """
    The token that a request sends, if it sends any.

    Raises:
        InvalidToken: its signature or its lifetime are not right.
    """
    reader = JWTAuthentication()
    header = reader.get_header(request)
    raw = reader.get_raw_token(header) if header is not None else None
    return reader.get_validated_token(raw) if raw is not None else None


def _admit(token: Token, *, is_read: bool) -> Admission:
    """
    Whose a token is whose signature and lifetime are right.

    Raises:
        AuthenticationFailed: nobody's, any more.
    """
    asked_ns, left_seconds = time.monotonic_ns(), token["exp"] - time.time()
    number, sign_in = str(token.get(api_settings.USER_ID_CLAIM, "")), token.get(CLAIM)
    reads: list[Read[Any]] = [_read(PERSON, number, is_read=is_read) if number.isdecimal() else NOBODY]
    if sign_in is not None:
        known = is_sign_in_id(sign_in)
        reads.append(_read(SIGN_IN, sign_in, is_read=is_read) if known else NOBODY)
    person: PersonDocument | None = reads[0].document
    if person is None:
        raise AuthenticationFailed("The user of this token is gone.", "user_not_found")
    if not person.is_active:
        raise AuthenticationFailed("The user of this token is inactive.", "user_inactive")
    if token.get(api_settings.REVOKE_TOKEN_CLAIM) != person.password_mark:
        raise AuthenticationFailed("The user of this token has a new password.", "password_changed")
    if not all(read.document for read in reads):
        raise AuthenticationFailed("The login of this token has ended: log in again.", "signed_out")
    copies = [read.copies for read in reads]
    return Admission(
        tuple(chain.from_iterable(copies)) if all(copies) else (), asked_ns + int(left_seconds * 1e9), person
    )


def _read(lookup: Lookup[Any], identifier: str, *, is_read: bool) -> Read[Any]:
    """
    Raises:
        OperationalError: the database is away, and what was last known does not do for a change.
    """
    read = read_entry(lookup, identifier)
    if read.source is Source.STALE and not is_read:
        raise OperationalError("The database is away: who asks for this change is not certain.")
    return read


def _user_of(person: PersonDocument) -> User:
    """The user without what is not known of them here; Django reads that if it is asked for."""
    values = [getattr(person, name) for name in USER_FIELDS]
    user: User = User.from_db(router.db_for_write(User), USER_FIELDS, values)
    return user


def permissions_of(user: User) -> set[str]:
    """What a user who is no superuser may do, by themselves or by their groups, as `app_label.codename`."""
    person = read_entry(PERSON, str(user.pk)).document
    if person is None:
        return set()
    groups = read_entries(GROUP, map(str, person.groups)).values()
    return set(person.permissions).union(*(read.document.permissions for read in groups if read.document))
