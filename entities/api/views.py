"""The endpoints under `entity`; their contract is documented in `schema`."""

from __future__ import annotations

from typing import Any

import msgspec
from django.db import router
from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from rest_framework.exceptions import NotFound, ParseError, ValidationError
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from cache_layer import Source, UnknownTag
from entities import changes
from entities.api import schema
from entities.api.conditions import answer_entity, answer_read, require_match
from entities.api.serializers import ChildrenSerializer, EntityFieldsSerializer
from entities.cache.acts import recorded
from entities.cache.entries import describe_dropped, drop_entries
from entities.codes import is_code
from entities.documents import EntityDocument, document_of
from entities.fields import NOT_IN_DOCUMENT
from entities.lookups import ENTITY
from entities.models import CacheOperation, Entity
from entities.services import get_entity_infrastructure

MAX_CODES = 200
NOT_FROM_CACHE = {"Cache-Control": "private, no-cache", "Vary": "Authorization", "X-Cache": Source.BYPASS}

Operation = CacheOperation.Operation


class EntityViewSet(ViewSet):
    """Reading needs a valid token, writing the Django permission to add, change or delete entity types."""

    queryset = Entity.objects.all()

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """404 if the resource does not exist: no other method would work either."""
        if "code" in kwargs:
            _find(kwargs["code"])
        return super().http_method_not_allowed(request, *args, **kwargs)

    @schema.read_types
    def read_types(self, request: Request) -> HttpResponse:
        (include_inactive,) = _flags(request, "include_inactive", besides=("codes",))
        if "codes" not in request.query_params:
            return answer_read(request, get_entity_infrastructure().read_all_entity(include_inactive))
        _refuse_both(include_inactive, "codes")
        return answer_read(request, get_entity_infrastructure().read_entities(_codes(request)))

    @schema.read_type
    def read_type(self, request: Request, code: str) -> HttpResponse:
        include_inactive, children = _flags(request, "include_inactive", "children")
        service = get_entity_infrastructure()
        if children:
            _refuse_both(include_inactive, "children")
            read = service.read_entity_with_children(code)
        else:
            read = service.read_entity(code, include_inactive)
        if read.document is None:
            raise NotFound("There is no such entity type, or it is inactive.")
        return answer_read(request, read)

    @schema.read_rows
    def read_rows(self, request: Request) -> Response:
        _flags(request)
        return Response([_row_of(entity) for entity in _stored()], headers=NOT_FROM_CACHE)

    @schema.read_row
    def read_row(self, request: Request, code: str) -> Response:
        _flags(request)
        if not is_code(code):
            raise Entity.DoesNotExist
        return Response(_row_of(_stored().get(code=code)), headers=NOT_FROM_CACHE)

    @schema.create
    def create(self, request: Request) -> HttpResponse:
        fields = EntityFieldsSerializer(data=request.data)
        fields.is_valid(raise_exception=True)
        entity = changes.create_entity(fields.validated_data)
        location = reverse("api:entity-type", args=[entity.code])
        return answer_entity(entity, status=201, headers={"Location": location})

    @schema.change
    def change(self, request: Request, code: str) -> HttpResponse:
        found = _find(code)
        fields = EntityFieldsSerializer(Entity(code=code), data=_body(request), partial=True)
        fields.is_valid(raise_exception=True)
        check = _check(request, found)
        return answer_entity(changes.change_entity(code, fields.validated_data, check))

    @schema.remove
    def remove(self, request: Request, code: str) -> HttpResponse:
        purge, detach = _flags(request, "purge", "detach")
        check = _check(request, _find(code))
        if purge:
            changes.purge_entity(code, detach=detach, check=check)
            return Response(status=204)
        return answer_entity(changes.deactivate_entity(code, detach=detach, check=check))

    @schema.change_children
    def change_children(self, request: Request, code: str) -> HttpResponse:
        found = _find(code)
        fields = ChildrenSerializer(data=request.data, context={"code": code})
        fields.is_valid(raise_exception=True)
        children, check = fields.validated_data["child_entity_codes"], _check(request, found)
        if fields.validated_data["mode"] == "append":
            return answer_entity(changes.append_children(code, children, check))
        return answer_entity(changes.change_entity(code, {"child_entity_codes": children}, check))


class EntityCacheViewSet(ViewSet):
    """For staff alone."""

    permission_classes = (IsAdminUser,)

    @schema.clear_cache
    def clear(self, request: Request) -> Response:
        _flags(request, besides=("tag",))
        if "tag" not in request.query_params:
            return _drop(request, None)
        tag = request.query_params["tag"]
        try:
            return _drop(request, ENTITY.find_tagged(tag), tag)
        except UnknownTag as error:
            raise ValidationError({"tag": [str(error)]}) from error

    @schema.invalidate
    def invalidate(self, request: Request, code: str) -> Response:
        if not is_code(code):
            raise NotFound("No entity type can have this code.")
        return _drop(request, [code])


def _drop(request: Request, codes: list[str] | None, tag: str = "") -> Response:
    """Drop these entity types' entries, or all, and record it in the audit log, under the token's user."""
    operation = Operation.CLEAR if codes is None else Operation.INVALIDATE
    with recorded(operation, codes, username=request.user.get_username(), tag=tag) as record:
        invalidated = get_entity_infrastructure().clear_all_entity_cache() if codes is None else drop_entries(codes)
        record.result = describe_dropped(invalidated)
    return Response({"invalidated": invalidated})


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


def _body(request: Request) -> Any:
    """
    The request's fields, possibly none: `{}`.

    Raises:
        ParseError: there is no body at all, so `{}` was not meant.
    """
    if request.stream is None:
        raise ParseError("There is no body: send the fields to change as JSON.", "no_body")
    return request.data


def _check(request: Request, found: EntityDocument) -> changes.Check:
    """Compare with `If-Match` now; the result repeats it under the row's lock."""
    require_match(request, found)
    return lambda entity: require_match(request, document_of(entity))


def _flags(request: Request, *names: str, besides: tuple[str, ...] = ()) -> list[bool]:
    """Query parameters that are `true` or `false`, false by default. Misspelt ones are rejected."""
    given = request.query_params
    wrong = {name: ["This parameter is unknown."] for name in given if name not in (*names, *besides)}
    wrong |= {name: ["Use true or false."] for name in names if given.get(name, "false") not in ("true", "false")}
    if wrong:
        raise ValidationError(wrong)
    return [given.get(name) == "true" for name in names]


def _codes(request: Request) -> list[str]:
    """The query parameter `codes`: comma-separated codes."""
    codes = request.query_params["codes"].split(",")
    wrong = [f"{code} is not a code." for code in codes if not is_code(code)]
    if len(codes) > MAX_CODES:
        wrong = [f"Ask for at most {MAX_CODES} at a time."]
    if wrong:
        raise ValidationError({"codes": wrong})
    return codes


def _refuse_both(include_inactive: bool, name: str) -> None:
    if include_inactive:
        raise ValidationError({name: ["Cannot be combined with include_inactive: it finds active types only."]})
