"""The endpoints under `entity`; their docstrings are their descriptions in the OpenAPI document."""

from __future__ import annotations

from typing import Any

import msgspec
from django.db import router
from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from rest_framework.exceptions import NotFound, ParseError, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from cache_layer import Source
from entities import changes
from entities.api import bodies
from entities.api.conditions import answer_entity, answer_read, require_match
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
    X_CACHE,
    read_codes,
    read_flags,
)
from entities.api.schema import describe
from entities.api.serializers import ChildrenSerializer, EntityFieldsSerializer
from entities.codes import is_code
from entities.documents import EntityDocument, document_of
from entities.fields import NOT_IN_DOCUMENT
from entities.models import Entity
from entities.services import get_entity_infrastructure

NOT_FROM_CACHE = {"Cache-Control": "private, no-cache", "Vary": "Authorization", "X-Cache": Source.BYPASS}


class EntityViewSet(ViewSet):
    """Reading needs a valid token, writing the Django permission to add, change or delete entity types."""

    queryset = Entity.objects.all()

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """404 if the resource does not exist: no other method would work either."""
        if "code" in kwargs:
            _find(kwargs["code"])
        return super().http_method_not_allowed(request, *args, **kwargs)

    @describe("reading", [CODES, INCLUDE_INACTIVE, *FROM_CACHE], {200: bodies.DOCUMENTS}, 304, 400)
    def read_entity_types(self, request: Request) -> HttpResponse:
        """
        All entity types.

        All active entity types in display order, from the cache; or those with these `codes`, in that order, without
        the ones that are unknown or inactive.
        """
        (include_inactive,) = read_flags(request, CODES, INCLUDE_INACTIVE)
        if "codes" not in request.query_params:
            return answer_read(request, get_entity_infrastructure().read_all_entity(include_inactive))
        _refuse_both(include_inactive, "codes")
        return answer_read(request, get_entity_infrastructure().read_entities(read_codes(request)))

    @describe("reading", [CODE, CHILDREN, INCLUDE_INACTIVE, *FROM_CACHE], {200: bodies.WITH_CHILDREN}, 304, 400)
    def read_entity_type(self, request: Request, code: str) -> HttpResponse:
        """
        One entity type.

        One active entity type, from the cache: byte for byte what Redis has under `entity:metadata:{code}`.
        """
        include_inactive, children = read_flags(request, INCLUDE_INACTIVE, CHILDREN)
        service = get_entity_infrastructure()
        if children:
            _refuse_both(include_inactive, "children")
            read = service.read_entity_with_children(code)
        else:
            read = service.read_entity(code, include_inactive)
        if read.document is None:
            raise NotFound("There is no such entity type, or it is inactive.")
        return answer_read(request, read)

    @describe("writing", [X_CACHE], {200: bodies.ROWS}, 400)
    def read_entity_rows(self, request: Request) -> Response:
        """
        All entity types with every field that can be set.

        Every entity type, active or not, in display order, with its `display_order`, which the document leaves out. It
        is read from the database each time. The `ETag` that `If-Match` wants is that of `entity/type/{code}`.
        """
        read_flags(request)
        return Response([_row_of(entity) for entity in _stored()], headers=NOT_FROM_CACHE)

    @describe("writing", [CODE, X_CACHE], {200: bodies.ROW}, 400)
    def read_entity_row(self, request: Request, code: str) -> Response:
        """
        One entity type with every field that can be set.

        One entity type, active or not, with its `display_order`, which the document leaves out. It is read from the
        database each time. The `ETag` that `If-Match` wants is that of `entity/type/{code}`.
        """
        read_flags(request)
        if not is_code(code):
            raise Entity.DoesNotExist
        return Response(_row_of(_stored().get(code=code)), headers=NOT_FROM_CACHE)

    @describe("writing", [ETAG, LOCATION, FORMER_ICON], {201: bodies.DOCUMENT}, 400, 403, takes=bodies.NEW)
    def create_entity(self, request: Request) -> HttpResponse:
        """
        Add an entity type.

        Needs the permission to add entity types. Children must exist already.
        """
        fields = EntityFieldsSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        entity = changes.create_entity(fields.validated_data)
        location = reverse("api:entity-type", args=[entity.code])
        return answer_entity(entity, status=201, headers={"Location": location})

    @describe("writing", [*IF_UNCHANGED, FORMER_ICON], {200: bodies.DOCUMENT}, 400, 403, takes=bodies.CHANGE)
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
        check = _check(request, found)
        return answer_entity(changes.change_entity(code, fields.validated_data, check))

    @describe("writing", [*IF_UNCHANGED, PURGE, DETACH], bodies.REMOVED, 400, 403, 409)
    def remove_entity(self, request: Request, code: str) -> HttpResponse:
        """
        Deactivate or purge an entity type.

        Needs the permission to delete entity types, in every form. By default the entity type is deactivated: readers
        get 404, those that list it keep doing so, and a PATCH of `active_flag` brings it back. `purge=true` removes it
        for good, and is refused with 409 while others, active or not, list it as a child. `detach=true` goes with both:
        it takes the code out of all that list it, in the same transaction.
        """
        purge, detach = read_flags(request, PURGE, DETACH)
        check = _check(request, _find(code))
        if purge:
            changes.purge_entity(code, detach=detach, check=check)
            return Response(status=204)
        return answer_entity(changes.deactivate_entity(code, detach=detach, check=check))

    @describe("writing", IF_UNCHANGED, {200: bodies.DOCUMENT}, 400, 403, takes=bodies.CHANGE_OF_CHILDREN)
    def change_children(self, request: Request, code: str) -> HttpResponse:
        """
        Append or replace the children of an entity type.

        Needs the permission to change entity types. `append` adds codes after the existing ones, each once; concurrent
        appends lose none. `replace` sets the whole list, which must name each code once.
        """
        found = _find(code)
        fields = ChildrenSerializer(data=request.data, context={"code": code})
        fields.is_valid(raise_exception=True)
        children, check = fields.validated_data["child_entity_codes"], _check(request, found)
        if fields.validated_data["mode"] == "append":
            return answer_entity(changes.change_entity(code, {}, check, append=children))
        return answer_entity(changes.change_entity(code, {"child_entity_codes": children}, check))


def _stored() -> QuerySet[Entity]:
    rows: QuerySet[Entity] = Entity.objects.using(router.db_for_write(Entity))
    return rows


def _row_of(entity: Entity) -> dict[str, Any]:
    """The document of a row, plus the row's other fields."""
    left_out = {name: getattr(entity, name) for name in NOT_IN_DOCUMENT}
    return msgspec.structs.asdict(document_of(entity)) | left_out


def _find(code: str) -> EntityDocument:
    """
    The entity type, active or not, before its row is locked: refusing here blocks neither writers nor readers. Active
    ones usually come from memory.
    """
    service = get_entity_infrastructure()
    read = service.read_entity(code)
    if read.document is None or read.source is Source.STALE:
        read = service.read_entity(code, include_inactive=True)
    if read.document is None:
        raise Entity.DoesNotExist
    return read.document


def _check(request: Request, found: EntityDocument) -> changes.Check:
    """Compare with `If-Match` now; the result repeats it under the row's lock."""
    require_match(request, found)
    return lambda entity: require_match(request, document_of(entity))


def _refuse_both(include_inactive: bool, name: str) -> None:
    if include_inactive:
        raise ValidationError({name: ["Cannot be combined with include_inactive: it finds active types only."]})
