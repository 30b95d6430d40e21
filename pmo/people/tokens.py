"""
Starts, renews and ends API logins.

A refresh token works once and yields the next. A second use means that it was stolen, before or after the first: the
whole login ends, for the thief as well (RFC 9700, section 4.14.2). A login ends when its first refresh token would have
expired, however often it is renewed.
"""

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
"""Longer than a login stays cached after its last lookup: `pmo.lookups`."""


class PunctualToken(Token):
    """Applies the leeway only to clocks that are ahead (`iat`, `nbf`): it extends no token."""

    def check_exp(self, claim: str = "exp", current_time: datetime | None = None) -> None:
        leeway = self.get_token_backend().get_leeway()
        super().check_exp(claim, (current_time or self.current_time) + leeway)


class AccessToken(PunctualToken, JWTAccessToken):
    """Authenticates its user until it expires or its login ends."""


class RefreshToken(PunctualToken, JWTRefreshToken):  # type: ignore[misc] # its bases disagree in a type variable
    """Yields the next tokens of its login, once."""

    access_token_class = AccessToken


def sign_in(user: User) -> RefreshToken:
    """The first refresh token of a new login; the user's expired logins are deleted."""
    # Expired long enough ago that no token of theirs is valid and no process caches them: no invalidation is needed.
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
        TokenError: not a valid refresh token.
        AuthenticationFailed: its login has ended, or ends now because the token was used before; or the user is gone,
            inactive, or has a new password.
    """
    token = RefreshToken(text)  # type: ignore[arg-type] # it takes the text of a token too
    JWTAuthentication().get_user(token)
    used = token["jti"]
    token.set_jti()
    token.set_iat()
    with transaction.atomic():  # an abandoned attempt must not take effect later: the client retries the same token
        is_renewed = SignIn.objects.filter(id=token.get(CLAIM), newest=used).update(newest=token["jti"])
    if not is_renewed:
        SignIn.objects.filter(id=token.get(CLAIM)).delete()
        raise InvalidToken("The refresh token was used before, or its login has ended: log in again.")
    return token


def sign_out(token: Token | Claims) -> None:
    """
    End a token's login, and with it all its tokens.

    Raises:
        ParseError: it belongs to no login that can be ended here.
    """
    if isinstance(token, Claims):
        raise ParseError("This token is of the platform's sign-on: log out there.", "no_login")
    if not is_sign_in_id(str(token.get(CLAIM))):
        raise ParseError("This token belongs to no login.", "no_login")
    SignIn.objects.filter(id=token[CLAIM]).delete()


def end_tokens(name: str) -> None:
    """End all tokens of this name: what the sign-on has issued until now, and the logins here."""
    with transaction.atomic():
        TokenEnd.objects.update_or_create(name=name, defaults={"ended_ts": timezone.now()})
        SignIn.objects.filter(user__username=name).delete()
    logger.info("Tokens ended", extra={"subject": name})
