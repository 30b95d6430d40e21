"""Every place that names the fields of an entity type has all of the model's, but for those left out with a reason.

An optional field takes the model, its migration and the document; everything else has it.
"""

import json
from collections.abc import Collection
from typing import Annotated, Any

import msgspec
import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models import DateField
from django.db.models.fields import NOT_PROVIDED

from entities.admin.entity import EntityAdmin
from entities.admin.form.form import EntityForm
from entities.admin.history.differences import ALL_FIELDS
from entities.api.schema import PROJECT
from entities.api.serializers import EntityFieldsSerializer, EntityRowSerializer, EntitySerializer
from entities.documents import EntityDocument
from entities.fields import (
    FIELDS,
    NOT_IN_CATALOGUE,
    NOT_IN_DOCUMENT,
    NOT_SEARCHED,
    NOT_SET,
    SETTABLE,
    field_of,
    python_type,
    values_of,
)
from entities.files.catalogue import CatalogueEntry
from entities.files.rows import EntityResource
from entities.lookups import COLUMNS
from entities.models import Entity
from pmo import documents
from pmo.schemas import RELEASED, VERSION, digests, schema_version

TIMES = {"created_ts", "modified_ts"}
ON_THE_PAGE_BESIDES = {"hiding", "parents"}
PLACES: dict[str, tuple[Collection[str], Collection[str]]] = {
    "form": (EntityForm.base_fields, TIMES),
    "form's page": (
        [name for _, part in EntityAdmin.fieldsets for name in part["fields"] if name not in ON_THE_PAGE_BESIDES],
        (),
    ),
    "history's pages": (ALL_FIELDS, {"code"}),
    "conflicts and restoring": (values_of(Entity()), NOT_SET),
    "files and backups": (EntityResource().get_export_headers(selected_fields=None), TIMES),
    "document": (EntityDocument.__struct_fields__, NOT_IN_DOCUMENT),
    "what the cache reads": (COLUMNS, ()),
    "API, documents": (EntitySerializer().fields, NOT_IN_DOCUMENT),
    "API, rows": (EntityRowSerializer().fields, ()),
    "API, to set": (EntityFieldsSerializer().fields, TIMES),
    "OpenAPI's example": (PROJECT, NOT_IN_DOCUMENT),
    "catalogue": (CatalogueEntry.__struct_fields__, NOT_IN_CATALOGUE.keys() - {"code"}),
    "search": (
        [*EntityAdmin.search_fields],
        {name for name in FIELDS if name in NOT_SET.keys() - {"code"} or python_type(field_of(name)) is not str}
        | NOT_SEARCHED.keys(),
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_field_is_there_once_or_left_out_with_its_reason(place: str) -> None:
    names, left_out = PLACES[place]
    assert sorted(names) == sorted(set(FIELDS) - set(left_out))


def test_the_history_records_every_field() -> None:
    event = apps.get_model("entities", "EntityEvent")
    assert {field.name for field in event._meta.concrete_fields} >= set(FIELDS)


def test_who_does_not_know_a_field_can_add_rows_without_it() -> None:
    """As servers of the release before, beside those that know it, and other services do: give it a `db_default`."""
    fields: dict[str, Any] = {name: field_of(name) for name in SETTABLE}
    needed = {name for name, field in fields.items() if not (field.null or field.db_default is not NOT_PROVIDED)}
    assert needed == {"label", "label_plural", "icon", "entity_type"}  # the last one a trigger fills in


def test_a_kind_of_field_that_nothing_here_knows_says_where_to_add_it() -> None:
    day = DateField()
    day.name = "founded"
    with pytest.raises(NotImplementedError, match=r"Entity.founded is a DateField: say in entities/fields.py"):
        python_type(day)


EXPECTED: dict[str, Any] = {
    "form": "By staff",
    "patched": "By API",
    "read": "By API",
    "described": ["Entity", "EntityFieldsRequest", "EntityRow", "PatchedEntityFieldsRequest"],
    "exported": ["By API"],
    "imported": "By a file",
    "seeded": "To be done",
    "composed": 4,
}
"""One place of each kind; that they are all, test_every_place has by their names."""


def test_a_field_of_model_migration_and_document_is_everywhere(found_with_remark: dict[str, Any]) -> None:
    assert found_with_remark == EXPECTED


def document(*members: tuple[str, Any]) -> Any:
    return msgspec.defstruct("Document", members)


RELEASED_ONE = (("code", str), ("label", str))
DIGEST = dict([digests(document(*RELEASED_ONE)).popitem()])


def test_members_behind_those_of_the_last_release_take_no_other_version() -> None:
    assert schema_version({document(*RELEASED_ONE): DIGEST}) == VERSION
    assert schema_version({document(*RELEASED_ONE, ("remark", str)): DIGEST}) == VERSION


@pytest.mark.parametrize(
    "members",
    [
        [("code", str)],
        [("label", str), ("code", str)],
        [("code", str), ("remark", str), ("label", str)],
        [("code", str), ("label", Annotated[str, msgspec.Meta(max_length=50)])],
        [("code", str), ("label", str | None)],
    ],
    ids=["one less", "another order", "one in between", "another limit", "another type"],
)
def test_any_other_change_of_a_document_stops_the_start_and_says_what_to_do(members: list[tuple[str, Any]]) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"Otherwise raise VERSION in pmo/schemas\.py by one"):
        schema_version({document(*members): DIGEST})


@pytest.mark.parametrize("kind", RELEASED)
def test_the_documents_of_today_are_recorded(kind: Any) -> None:
    number, digest = digests(kind).popitem()
    recorded = RELEASED[kind]
    told = f"add `{number}: {json.dumps(digest)}` to what RELEASED has of it"
    assert list(recorded.items())[-1] == (number, digest), told


def test_every_document_that_is_cached_is_among_those_compared() -> None:
    defined = [name for name, kind in vars(documents).items() if name.endswith("Document") and isinstance(kind, type)]
    assert {"EntityDocument", *defined} == {kind.__name__ for kind in RELEASED}
