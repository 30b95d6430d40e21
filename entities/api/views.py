"""The endpoints under `entity`; their docstrings are their descriptions in the OpenAPI document."""

from typing import Any

import msgspec
from django.db import router
from django.http import HttpResponse
from django.urls import reverse
from rest_framework.exceptions import NotFound, ParseError
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from cache_layer import Source
from entities import changes
from entities.api import schema
from entities.api.conditions import PRIVATE, answer_entity, answer_read, check_match
from entities.api.parameters import (
    CHILDREN,
    CODE,
    CODES,
    DETACH,
    ETAG,
    FORMER_ICON,
    FROM_CACHE,
    IF_UNCHANGED,
    INCLUDE_INACTIVE,
    LOCATION,
    PURGE,
    TAG,
    X_CACHE,
    read_codes,
    read_flags,
    refuse_both,
)
from entities.api.serializers import ChildrenSerializer, EntityFieldsSerializer
from entities.cache.operations import describe_dropped, recorded
from entities.codes import is_code
from entities.documents import EntityDocument, document_of
from entities.fields import NOT_IN_DOCUMENT
from entities.lookups import ENTITY
from entities.models import CacheOperation, Entity
from entities.services import get_entity_infrastructure

NOT_FROM_CACHE = PRIVATE | {"X-Cache": Source.BYPASS}


class EntityViewSet(ViewSet):
    """Reading needs a valid token, writing the Django permission to add, change or delete entity types."""

    queryset = Entity.objects.all()

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """404 if the resource does not exist: no other method would work either."""
        if "code" in kwargs:
            _find(kwargs["code"])
        return super().http_method_not_allowed(request, *args, **kwargs)

    @schema.describe("reading", [CODES, INCLUDE_INACTIVE, *FROM_CACHE], {200: schema.DOCUMENTS}, 304, 400)
    def read_entity_types(self, request: Request) -> HttpResponse:
        """
        All entity types.

        All active entity types in display order, from the cache; or those with these `codes`, in that order, without
        the ones that are unknown or inactive.
        """
        (include_inactive,) = read_flags(request, CODES, INCLUDE_INACTIVE)
        if "codes" not in request.query_params:
            return answer_read(request, get_entity_infrastructure().read_all_entity(include_inactive))
        refuse_both(include_inactive, "codes")
        return answer_read(request, get_entity_infrastructure().read_entities(read_codes(request)))

    @schema.describe("reading", [CODE, CHILDREN, INCLUDE_INACTIVE, *FROM_CACHE], {200: schema.WITH_CHILDREN}, 304, 400)
    def read_entity_type(self, request: Request, code: str) -> HttpResponse:
        """
        One entity type.

        One active entity type, from the cache: byte for byte what Redis has under `entity:metadata:{code}`.
        """
        include_inactive, children = read_flags(request, INCLUDE_INACTIVE, CHILDREN)
        service = get_entity_infrastructure()
        if children:
            refuse_both(include_inactive, "children")
            read = service.read_entity_with_children(code)
        else:
            read = service.read_entity(code, include_inactive)
        if read.document is None:
            raise NotFound("There is no such entity type, or it is inactive.")
        return answer_read(request, read)

    @schema.describe("writing", [X_CACHE], {200: schema.ROWS}, 400)
    def read_entity_rows(self, request: Request) -> Response:
        """
        All entity types with every field that can be set.

        Every entity type, active or not, in display order, with its `display_order`, which the document leaves out. It
        is read from the database each time. The `ETag` that `If-Match` wants is that of `entity/type/{code}`.
        """
        read_flags(request)
        rows = Entity.objects.using(router.db_for_write(Entity))
        return Response([_row_of(row) for row in rows], headers=NOT_FROM_CACHE)

    @schema.describe("writing", [CODE, X_CACHE], {200: schema.ROW}, 400)
    def read_entity_row(self, request: Request, code: str) -> Response:
        """
        One entity type with every field that can be set.

        One entity type, active or not, with its `display_order`, which the document leaves out. It is read from the
        database each time. The `ETag` that `If-Match` wants is that of `entity/type/{code}`.
        """
        read_flags(request)
        if not is_code(code):
            raise Entity.DoesNotExist
        row = Entity.objects.using(router.db_for_write(Entity)).get(code=code)
        return Response(_row_of(row), headers=NOT_FROM_CACHE)

    @schema.describe("writing", [ETAG, LOCATION, FORMER_ICON], {201: schema.DOCUMENT}, 400, 403, takes=schema.NEW)
    def create_entity(self, request: Request) -> HttpResponse:
        """
        Add an entity type.

        Needs the permission to add entity types. Children must exist already.
        """
        fields = EntityFieldsSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        entity = changes.create_entity(fields.validated_data)
        answer = answer_entity(entity, status=201)
        answer["Location"] = reverse("api:entity-type", args=[entity.code])
        return answer

    @schema.describe("writing", [*IF_UNCHANGED, FORMER_ICON], {200: schema.DOCUMENT}, 400, 403, takes=schema.CHANGE)
    def change_entity(self, request: Request, code: str) -> HttpResponse:
        """
        Change fields of an entity type.

        Needs the permission to change entity types. Fields that are not given stay as they are; `code` never changes.
        Works on inactive ones too: `{"active_flag": true}` brings one back.
        """
        found = _find(code)
        if request.stream is None:  # `{}`, a change of nothing, was not meant
            raise ParseError("There is no body: send the fields to change as JSON.", "no_body")
        fields = EntityFieldsSerializer(Entity(code=code), data=request.data, partial=True)
        fields.is_valid(raise_exception=True)
        check = check_match(request, found)
        return answer_entity(changes.change_entity(code, fields.validated_data, check))

    @schema.describe("writing", [*IF_UNCHANGED, PURGE, DETACH], schema.REMOVED, 400, 403, 409)
    def remove_entity(self, request: Request, code: str) -> HttpResponse:
        """
        Deactivate or purge an entity type.

        Needs the permission to delete entity types, in every form. By default the entity type is deactivated: readers
        get 404, those that list it keep doing so, and a PATCH of `active_flag` brings it back. `purge=true` removes it
        for good, and is refused with 409 while others, active or not, list it as a child. `detach=true` goes with both:
        it takes the code out of all that list it, in the same transaction.
        """
        purge, detach = read_flags(request, PURGE, DETACH)
        check = check_match(request, _find(code))
        if purge:
            changes.purge_entity(code, detach=detach, check=check)
            return Response(status=204)
        return answer_entity(changes.change_entity(code, {"active_flag": False}, check, detach=detach))

    @schema.describe("writing", IF_UNCHANGED, {200: schema.DOCUMENT}, 400, 403, takes=schema.CHANGE_OF_CHILDREN)
    def change_children(self, request: Request, code: str) -> HttpResponse:
        """
        Append or replace the children of an entity type.

        Needs the permission to change entity types. `append` adds codes after the existing ones, each once; concurrent
        appends lose none. `replace` sets the whole list, which must name each code once.
        """
        found = _find(code)
        fields = ChildrenSerializer(data=request.data, context={"code": code})
        fields.is_valid(raise_exception=True)
        children, check = fields.validated_data["child_entity_codes"], check_match(request, found)
        if fields.validated_data["mode"] == "append":
            return answer_entity(changes.change_entity(code, {}, check, append=children))
        return answer_entity(changes.change_entity(code, {"child_entity_codes": children}, check))


class EntityCacheViewSet(ViewSet):
    """For staff alone."""

    permission_classes = (IsAdminUser,)

    @schema.describe("cache", [TAG], {200: schema.InvalidatedSerializer}, 400, 403)
    def clear_cache(self, request: Request) -> Response:
        """
        Drop every entity type, or those of a tag, from the cache.

        For staff. Readers fill the cache again from the database.
        """
        read_flags(request, TAG)
        tag = request.query_params.get("tag")
        return _drop(request, None if tag is None else ENTITY.find_tagged(tag), tag or "")

    @schema.describe("cache", [CODE], {200: schema.InvalidatedSerializer}, 403)
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
    service = get_entity_infrastructure()
    operation = CacheOperation.Operation.CLEAR if codes is None else CacheOperation.Operation.INVALIDATE
    with recorded(operation, codes, username=request.user.get_username(), tag=tag) as record:
        invalidated = service.clear_all_entity_cache() if codes is None else ENTITY.entries_of_rows(*codes).invalidate()
        record.result = describe_dropped(invalidated)
    return Response({"invalidated": invalidated})


def _row_of(entity: Entity) -> dict[str, Any]:
    """The document of a row, plus the row's other fields."""
    return msgspec.structs.asdict(document_of(entity)) | {name: getattr(entity, name) for name in NOT_IN_DOCUMENT}


def _find(code: str) -> EntityDocument:
    """The entity type, active (usually from memory) or not; refusing before its row is locked blocks nobody."""
    service = get_entity_infrastructure()
    read = service.read_entity(code)
    if read.document is None or read.source is Source.STALE:
        read = service.read_entity(code, include_inactive=True)
    if read.document is None:
        raise Entity.DoesNotExist
    return read.document
