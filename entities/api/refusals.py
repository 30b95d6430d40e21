"""The API's responses that are not documents: errors, and how many entries were dropped."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers


class ErrorSerializer(serializers.Serializer[Any]):
    """
    Why a request was refused: `code` for programs, `detail` for people, and `errors` by field or parameter. `errors`
    is empty unless `code` is `invalid`.
    """

    code = serializers.CharField()
    detail = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment] # of the serializer itself it is a property
        child=serializers.ListField(child=serializers.CharField())
    )


class ListedSerializer(ErrorSerializer):
    """An entity type that others still list as a child."""

    parents = serializers.ListField(child=serializers.CharField())


class InvalidatedSerializer(serializers.Serializer[Any]):
    """How many cached entries were dropped."""

    invalidated = serializers.IntegerField()


ERRORS = {
    400: OpenApiResponse(ErrorSerializer, "The request is not valid, has no body, or is not JSON."),
    401: OpenApiResponse(ErrorSerializer, "No token, or one that is not valid, or no longer."),
    403: OpenApiResponse(ErrorSerializer, "The user lacks the permission."),
    404: OpenApiResponse(ErrorSerializer, "There is no such entity type."),
    409: OpenApiResponse(ListedSerializer, "Others still list it as a child; nothing was changed."),
    412: OpenApiResponse(ErrorSerializer, "It changed since the version that `If-Match` names; nothing was changed."),
    413: OpenApiResponse(ErrorSerializer, "The body is bigger than 1 MB."),
    415: OpenApiResponse(ErrorSerializer, "The body is not `application/json`."),
    429: OpenApiResponse(ErrorSerializer, "Too many failed logins; `Retry-After` says when to try again."),
    503: OpenApiResponse(
        ErrorSerializer, "An engine that is needed does not answer; `Retry-After` says when to retry."
    ),
}


def errors(*statuses: int) -> dict[int, OpenApiResponse]:
    """The descriptions of these error responses."""
    return {status: ERRORS[status] for status in statuses}
