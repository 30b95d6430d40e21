"""
What begins, renews and ends a login by the API.

A refresh token is used once and gives the next. One that comes a second time was stolen, before or after its use: then
the whole login ends, for the thief as well (RFC 9700, section 4.14.2). A login ends when its first refresh token would
have, however often it is renewed.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import cast

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import ParseError
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken as JWTAccessToken
from rest_framework_simplejwt.tokens import RefreshToken as JWTRefreshToken
from rest_framework_simplejwt.tokens import Token
from rest_framework_simplejwt.utils import datetime_from_epoch

from pmo.lookups import is_sign_in_id
from pmo.models import SignIn, TokenEnd
from pmo.people.sign_on import Claims

logger = logging.getLogger("pmo")

CLAIM = "sign_in"
KNOWN = timedelta(hours=2)
"""Longer than a login is known after it was asked for last: `pmo.lookups`."""


class PunctualToken(Token):
    """The leeway is for clocks that are ahead (`iat`, `nbf`): it prolongs no token."""

    def check_exp(self, claim: str = "exp", current_time: datetime | None = None) -> None:
        leeway = self.get_token_backend().get_leeway()
        super().check_exp(claim, (current_time or self.current_time) + leeway)


class AccessToken(PunctualToken, JWTAccessToken):
    """Lets its user work, until it expires or its login ends."""


class RefreshToken(PunctualToken, JWTRefreshToken):  # type: ignore[misc] # its bases disagree in a type variable
    """Gives the next tokens of its login, once."""

    access_token_class = AccessToken


def sign_in(user: User) -> RefreshToken:
    """The first refresh token of a new login; what has expired of this user's is forgotten."""
    # So long ago that no token of theirs is valid and no process knows them: nobody need be told.
    past = SignIn.objects.filter(user=user, expires_ts__lt=timezone.now() - api_settings.ACCESS_TOKEN_LIFETIME - KNOWN)
    past._raw_delete(past.db)
    token = cast(RefreshToken, RefreshToken.for_user(user))
    row = SignIn.objects.create(user=user, newest=token["jti"], expires_ts=datetime_from_epoch(token["exp"]))
    token[CLAIM] = str(row.id)
    return token


def renew(text: str) -> RefreshToken:
    """
    The next refresh token.

    Raises:
        TokenError: it is none.
        AuthenticationFailed: its login has ended, or does so now because it was used before; or the user is gone,
            inactive, or has a new password.
    """
    token = RefreshToken(text)  # type: ignore[arg-type] # it takes the text of a token too
    JWTAuthentication().get_user(token)
    used = token["jti"]
    token.set_jti()
    token.set_iat()
    with transaction.atomic():  # what is given up half-way must not happen later: the same token will be tried again
        is_renewed = SignIn.objects.filter(id=token.get(CLAIM), newest=used).update(newest=token["jti"])
    if not is_renewed:
        SignIn.objects.filter(id=token.get(CLAIM)).delete()
        raise InvalidToken("The refresh token was used before, or its login has ended: log in again.")
    return token


def sign_out(token: Token | Claims) -> None:
    """
    End the login of a token, and with it all its tokens.

    Raises:
        ParseError: it belongs to none that could be ended here.
    """
    if isinstance(token, Claims):
        raise ParseError("This token is of the platform's sign-on: log out there.", "no_login")
    if not is_sign_in_id(str(token.get(CLAIM))):
        raise ParseError("This token belongs to no login.", "no_login")
    SignIn.objects.filter(id=token[CLAIM]).delete()


def end_tokens(name: str) -> None:
    """End all that anybody has of this name: what the sign-on issued until now, and the logins here."""
    with transaction.atomic():
        TokenEnd.objects.update_or_create(name=name, defaults={"ended_ts": timezone.now()})
        SignIn.objects.filter(user__username=name).delete()
    logger.info("Tokens ended", extra={"subject": name})
