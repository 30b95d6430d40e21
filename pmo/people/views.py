"""Tokens for programs: login, refresh and logout; and whose a token is."""

from collections.abc import Mapping
from time import monotonic_ns
from typing import Any

from axes.helpers import get_cool_off
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, Throttled, ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.views import TokenViewBase

from entities.api.parameters import RETRY_AFTER
from entities.api.schema import ErrorSerializer, errors
from entities.api.serializers import StrictSerializer, TextField
from pmo.people.authentication import token_of
from pmo.people.tokens import RefreshToken, renew, sign_in, sign_out

RIGHTS = ("add", "change", "delete")


class LockedOut(Throttled):
    """Too many failed logins, as counted by django-axes."""

    default_detail = "Too many failed logins for this user from this address."
    extra_detail_singular = "Try again in {wait} second."
    extra_detail_plural = "Try again in {wait} seconds."
    default_code = "locked_out"


class LoginSerializer(StrictSerializer):
    """A user's name, or e-mail address, and password."""

    username = TextField(
        max_length=254, trim_whitespace=False, required=False, help_text="The user name or the e-mail address."
    )
    email = TextField(max_length=254, trim_whitespace=False, required=False, help_text="Instead of `username`.")
    password = TextField(max_length=4096, trim_whitespace=False, style={"input_type": "password"})

    def to_internal_value(self, data: Any) -> Any:
        """Require one of the two name fields; both are looked up and counted alike."""
        has_email = isinstance(data, Mapping) and "email" in data
        if has_email and "username" in data:
            raise ValidationError({"email": ["Give this or username."]})
        self.fields["username"].required = not has_email
        return super().to_internal_value(data)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        request: Request = self.context["request"]
        name = attrs["email"] if "email" in attrs else attrs["username"]
        user = authenticate(request=request, username=name, password=attrs["password"])
        if user is None:
            if getattr(request, "axes_locked_out", False):
                cool_off = get_cool_off(request)
                raise LockedOut(wait=cool_off.total_seconds() if cool_off else None)
            raise AuthenticationFailed("The user name or the password is wrong.")
        return _tokens(sign_in(user))


class RefreshSerializer(StrictSerializer):
    """A refresh token."""

    refresh = TextField(max_length=4096)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return _tokens(renew(attrs["refresh"]))


class LogoutSerializer(RefreshSerializer):
    """The newest refresh token, or one before it."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        sign_out(RefreshToken(attrs["refresh"]))
        return {}


class TokensSerializer(serializers.Serializer[User]):
    """Send `token` as `Authorization: Bearer`."""

    token = serializers.CharField()
    refresh = serializers.CharField(help_text="For `auth/refresh`, once, when the token has expired.")
    expires_in = serializers.IntegerField(help_text="Seconds the token is valid.")


class MeSerializer(serializers.Serializer[Any]):
    """Whose a token is, and what it is good for."""

    username = serializers.CharField()
    is_staff = serializers.BooleanField()
    is_superuser = serializers.BooleanField()
    may = serializers.MultipleChoiceField(choices=["read", *RIGHTS, "clear_cache"])
    expires_in = serializers.IntegerField(help_text="Seconds the token is valid, unless it is ended before.")


class Unstored(APIView):
    """Its responses contain secrets: nobody may store them."""

    @property
    def default_response_headers(self) -> dict[str, str]:
        return super().default_response_headers | {"Cache-Control": "no-store"}


def _described(success: dict[int, Any], refused: str, *others: int, **described: Any) -> Any:
    """Describe `post` in the OpenAPI document, with a description of its 401 and the statuses of further responses."""
    responses = {**success, 401: OpenApiResponse(ErrorSerializer, refused), **errors(400, 413, 415, *others, 503)}
    said = extend_schema(tags=["auth"], auth=[], parameters=[RETRY_AFTER], responses=responses, **described)
    return extend_schema_view(post=said)


@_described(
    {200: TokensSerializer},
    "The user name or the password is wrong.",
    429,
    operation_id="login",
    summary="Get a token",
    description="Every wrong combination gets the same 401. An e-mail address that several users share logs "
    "nobody in. After too many failures a user is locked out from an address for some minutes.",
    examples=[OpenApiExample("login", {"username": "ada@example.com", "password": "..."}, request_only=True)],
)
class LoginView(Unstored, TokenViewBase):
    serializer_class = LoginSerializer


@_described(
    {200: TokensSerializer},
    "The refresh token is not valid, or no longer.",
    operation_id="refresh",
    summary="Get new tokens",
    description="A refresh token is good for one use and gives the next. A second use ends its login with all its "
    "tokens, since one of the two who have it must have stolen it. It is also refused once the user is deactivated or "
    "has a new password, and when the login has expired.",
)
class RefreshView(Unstored, TokenViewBase):
    serializer_class = RefreshSerializer


@_described(
    {204: None},
    "There is no token in it, or one that has expired.",
    operation_id="logout",
    summary="End a login",
    description="Ends the login of `refresh` or, without a body, of the token that is sent. Once it has returned, no"
    " token of this login is valid on any server. Ending a login that has already ended succeeds.",
)
class LogoutView(Unstored, TokenViewBase):
    serializer_class = LogoutSerializer

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        token = token_of(request) if _has_no_body(request) else None
        if token is not None:
            sign_out(token)
        else:
            super().post(request, *args, **kwargs)
        return Response(status=204)


class MeView(Unstored):
    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="me",
        tags=["auth"],
        summary="Whose token this is",
        description="`may` says what the API lets its user do now.",
        parameters=[RETRY_AFTER],
        responses={200: MeSerializer, **errors(401, 503)},
    )
    def get(self, request: Request) -> Response:
        user = request.user
        rights = [right for right in RIGHTS if user.has_perm(f"entities.{right}_entity")]
        admission: Any = request.auth
        left_ns = admission.until_ns - monotonic_ns()
        return Response(
            {
                "username": user.get_username(),
                "is_staff": user.is_staff,
                "is_superuser": user.is_superuser,
                "may": ["read", *rights, *(["clear_cache"] if user.is_staff else [])],
                "expires_in": max(0, left_ns // 1_000_000_000),
            }
        )


class TokenScheme(SimpleJWTScheme):
    """How the OpenAPI document describes token authentication."""

    target_class = "pmo.people.authentication.TokenAuthentication"
    name = "token"


def _has_no_body(request: Request) -> bool:
    """Whether the body is empty; a chunked body has no length and was not read."""
    length = request.META.get("CONTENT_LENGTH")
    return length == "0" or (not length and "HTTP_TRANSFER_ENCODING" not in request.META)


def _tokens(refresh: RefreshToken) -> dict[str, Any]:
    return {
        "token": str(refresh.access_token),
        "refresh": str(refresh),
        "expires_in": int(api_settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
    }
