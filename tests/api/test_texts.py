"""Labels are stored in one Unicode form, are found in either, and can be read."""

import re
import unicodedata
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from entities.admin.form.views import search_types
from entities.models import CacheOperation, Entity
from entities.texts import INVISIBLE, UNREADABLE, validate_readable
from tests.admin.conftest import ADD, LIST, admin_client, errors_of, fields, superuser  # noqa: F401 - fixtures
from tests.api.conftest import PROJECT
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("quick_writes")

ENTITY = "/api/v1/entity"
NFC, NFD = "Café", "Cafe\u0301"


def test_the_api_stores_and_answers_the_composed_form(editor: APIClient) -> None:
    created = editor.post(ENTITY, PROJECT | {"label": NFD, "label_plural": "e\u0301" * 100}).json()
    assert (created["label"], created["label_plural"]) == (NFC, "é" * 100)
    assert editor.patch(f"{ENTITY}/project", {"label": NFD + "s"}, format="json").json()["label"] == NFC + "s"


def test_texts_that_cannot_be_read_are_refused(editor: APIClient, subtests: pytest.Subtests) -> None:
    texts = ["\u200b\u2060", "abc\u202egnp", "\u2067a", "\u3164", "\U000e0041"]
    for field, text in [*(("label", text) for text in texts), ("label_plural", texts[0]), ("entity_type", texts[1])]:
        with subtests.test(field=field, text=text):
            answer = editor.post(ENTITY, PROJECT | {field: text})
            assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


@pytest.mark.parametrize("text", ["\u200b", "abc\u202egnp"])
def test_the_form_refuses_them_too(admin_client: Client, text: str) -> None:  # noqa: F811 - a fixture
    assert list(errors_of(admin_client.post(ADD, fields(label=text)))) == ["label"]


def test_every_other_way_stores_the_composed_form(admin_client: Client) -> None:  # noqa: F811 - a fixture
    admin_client.post(ADD, fields(label="e\u0301" * 100, label_plural=NFD))
    task = Entity.objects.get(code="task")
    assert (task.label, task.label_plural) == ("é" * 100, NFC)
    assert make_entity("cafe", label=NFD).label == NFC
    Entity.objects.filter(code="task").update(label=NFD)
    (made,) = Entity.objects.bulk_create([Entity(code="bar", label=NFD, label_plural=NFD, icon="Flag")])
    assert made.label == NFC
    assert set(Entity.objects.values_list("label", flat=True)) == {NFC}
    assert Entity.objects.filter(label=NFD).count() == 3


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_search_finds_either_form(admin_client: Client, form: Any) -> None:  # noqa: F811 - a fixture
    make_entity("cafe", label=NFC)
    term = unicodedata.normalize(form, "afé")
    assert [entity.code for entity in search_types(term, [])] == ["cafe"]
    found = admin_client.get(LIST, {"q": term}).context["cl"].result_list
    assert [entity.code for entity in found] == ["cafe"]
    (entry,) = admin_client.get("/admin/cache/entries/", {"q": term}).context["page"]
    assert entry.row.code == "cafe"


def test_a_reason_is_composed(db: None) -> None:
    assert CacheOperation.objects.create(username="x", operation="warm", subject="all", reason=NFD).reason == NFC


def test_python_and_postgresql_take_the_same_texts_for_unreadable(db: None) -> None:
    beyond_most = range(0xDFFFF, 0xE1001)
    characters = [chr(each) for each in (*range(1, 0x20000), *beyond_most) if not 0xD800 <= each <= 0xDFFF]
    with connection.cursor() as cursor:
        cursor.execute("SELECT c FROM unnest(%s::text[]) c WHERE c ~ %s", [characters, UNREADABLE])
        theirs = {character for (character,) in cursor}
    assert theirs == {character for character in characters if re.search(UNREADABLE, character)}
    assert not [each for each in theirs if _is_taken(each)]
    spaces = {each for each in characters if each.isspace() or unicodedata.category(each) in ("Zs", "Cc")}
    assert spaces <= theirs, f"{INVISIBLE} has all of them"


def _is_taken(text: str) -> bool:
    try:
        validate_readable(text)
    except ValidationError:
        return False
    return True
