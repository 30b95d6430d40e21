"""The endpoints under `entity/cache`."""

from __future__ import annotations

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from cache_layer import UnknownTag
from entities.api.bodies import InvalidatedSerializer
from entities.api.parameters import CODE, TAG, read_flags
from entities.api.schema import describe
from entities.cache.acts import recorded
from entities.cache.entries import describe_dropped, drop_entries
from entities.codes import is_code
from entities.lookups import ENTITY
from entities.models import CacheOperation
from entities.services import get_entity_infrastructure


class EntityCacheViewSet(ViewSet):
    """For staff alone."""

    permission_classes = (IsAdminUser,)

    @describe("cache", [TAG], {200: InvalidatedSerializer}, 400, 403)
    def clear_cache(self, request: Request) -> Response:
        """
        Drop every entity type, or those of a tag, from the cache.

        For staff. Readers fill the cache again from the database.
        """
        read_flags(request, TAG)
        if "tag" not in request.query_params:
            return _drop(request, None)
        tag = request.query_params["tag"]
        try:
            return _drop(request, ENTITY.find_tagged(tag), tag)
        except UnknownTag as error:
            raise ValidationError({"tag": [str(error)]}) from error

    @describe("cache", [CODE], {200: InvalidatedSerializer}, 403)
    def invalidate_cache(self, request: Request, code: str) -> Response:
        """
        Drop one entity type, and the list of all, from the cache.

        For staff. Readers fill the cache again from the database.
        """
        if not is_code(code):
            raise NotFound("No entity type can have this code.")
        return _drop(request, [code])


def _drop(request: Request, codes: list[str] | None, tag: str = "") -> Response:
    """Drop these entity types' entries, or all, and record it in the audit log, under the token's user."""
    kinds = CacheOperation.Operation
    operation = kinds.CLEAR if codes is None else kinds.INVALIDATE
    with recorded(operation, codes, username=request.user.get_username(), tag=tag) as record:
        invalidated = get_entity_infrastructure().clear_all_entity_cache() if codes is None else drop_entries(codes)
        record.result = describe_dropped(invalidated)
    return Response({"invalidated": invalidated})
