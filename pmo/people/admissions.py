"""
Who may read with a token, for how long, and which cached entries that depends on.

Our own tokens: the user exists, is active and has had the same password since it was issued, and the login has not
ended. Sign-on tokens: issued after the tokens of that name were last ended, and a user of that name, if there is one,
is active; names without a user here may read.
"""

import time
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db import OperationalError, router
from rest_framework_simplejwt.exceptions import AuthenticationFailed
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

from cache_layer import Admission, CoherentLookup, Read, Source
from pmo.documents import PersonDocument
from pmo.lookups import NAME, PERSON, SIGN_IN, TOKEN_END, is_sign_in_id
from pmo.people.sign_on import Claims
from pmo.people.tokens import CLAIM

USER_FIELDS = tuple(
    field.attname for field in User._meta.concrete_fields if field.attname in PersonDocument.__struct_fields__
)
"""The fields a user object is built from, in Django's order."""
NOBODY: Read[Any] = Read(None, b"", Source.LOCAL)
RECHECK_SECONDS = 300.0
"""How often a sign-on token is verified again: its key may have been withdrawn."""
INACTIVE = "The user of this token is inactive.", "user_inactive"


class Guest(AnonymousUser):
    """Somebody the sign-on knows and we do not, with the rights of every authenticated user."""

    is_authenticated = True  # type: ignore[assignment] # a property there
    is_anonymous = False  # type: ignore[assignment] # as above

    def __init__(self, username: str) -> None:
        super().__init__()
        self.username = username  # type: ignore[assignment] # nobody has none there


def admit(token: Token | Claims, *, is_read: bool) -> Admission:
    """
    Admit the owner of a token whose signature and lifetime have been verified.

    Raises:
        AuthenticationFailed: the token is no longer valid.
    """
    return _admit_foreign(token, is_read=is_read) if isinstance(token, Claims) else _admit_own(token, is_read=is_read)


def _admit_own(token: Token, *, is_read: bool) -> Admission:
    until_ns = _end_ns(token["exp"] - time.time())
    number, sign_in = str(token.get(api_settings.USER_ID_CLAIM, "")), token.get(CLAIM)
    reads: list[Read[Any]] = [_read(PERSON, number, is_read=is_read) if number.isdecimal() else NOBODY]
    if sign_in is not None:
        reads.append(_read(SIGN_IN, sign_in, is_read=is_read) if is_sign_in_id(sign_in) else NOBODY)
    person: PersonDocument | None = reads[0].document
    if person is None:
        raise AuthenticationFailed("The user of this token is gone.", "user_not_found")
    if not person.is_active:
        raise AuthenticationFailed(*INACTIVE)
    if token.get(api_settings.REVOKE_TOKEN_CLAIM) != person.password_mark:
        raise AuthenticationFailed("The user of this token has a new password.", "password_changed")
    if not all(read.document for read in reads):
        raise AuthenticationFailed("The login of this token has ended: log in again.", "signed_out")
    return Admission(Read.copies_of(reads), until_ns, person)


def _admit_foreign(claims: Claims, *, is_read: bool) -> Admission:
    until_ns = _end_ns(min(claims.expires_s - time.time(), RECHECK_SECONDS))
    reads: list[Read[Any]] = [_read(lookup, claims.name, is_read=is_read) for lookup in (TOKEN_END, NAME)]
    ended_s: float | None = getattr(reads[0].document, "ended_s", None)
    number: int | None = getattr(reads[1].document, "user", None)
    if ended_s is not None and claims.issued_s <= ended_s:
        raise AuthenticationFailed("The tokens of this name were ended: log in again.", "signed_out")
    person: PersonDocument | None = None
    if number is not None:
        reads.append(_read(PERSON, str(number), is_read=is_read))
        person = reads[-1].document
        if person is not None and not person.is_active:
            raise AuthenticationFailed(*INACTIVE)
    return Admission(Read.copies_of(reads), until_ns, person or claims.name)


def _end_ns(left_seconds: float) -> int:
    return time.monotonic_ns() + int(left_seconds * 1e9)


def _read(lookup: CoherentLookup[Any], identifier: str, *, is_read: bool) -> Read[Any]:
    """Read an entry; raises OperationalError if it is stale, which does not do for a change."""
    read = lookup.read(identifier)
    if read.source is Source.STALE and not is_read:
        raise OperationalError("The database is down, so it is not certain who is asking for this change.")
    return read


def user_of(person: PersonDocument | str) -> User | Guest:
    """A user object with only the known fields; Django loads the others on access. A `Guest` for a name."""
    if isinstance(person, str):
        return Guest(person)
    values = [getattr(person, name) for name in USER_FIELDS]
    return User.from_db(router.db_for_write(User), USER_FIELDS, values)
