"""Two people edit the same entity type: the second is shown the difference, and nobody's change is lost."""

import html
import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.http import HttpResponse
from django.test import Client

from cache_layer.server.connection import get_writer_client
from entities.admin.form.conflicts import STARTED_FROM, Conflict
from entities.admin.form.editors import LASTS_SECONDS
from entities.changes import purge_entity
from entities.models import Entity
from tests.admin.conftest import ADD, before_the_next, change_url, fields, staff_client, text_of
from tests.api.conftest import make_user
from tests.conftest import make_entity, make_linked

PROJECT = change_url("project")


@pytest.fixture
def ann(db: None) -> Client:
    return staff_client(make_user("ann", "view", "change", "add", "delete", is_staff=True))


@pytest.fixture
def bob(db: None) -> Client:
    return staff_client(make_user("bob", "view", "change", is_staff=True))


def open_form(client: Client, url: str = PROJECT) -> dict[str, Any]:
    """What a browser would send, if nothing were edited."""
    return sendable(client.get(url))


def sendable(response: HttpResponse) -> dict[str, Any]:
    form = response.context["adminform"].form  # type: ignore[attr-defined] # Django's test client adds it
    sent = {name: form[name].value() for name in form.fields}
    sent["child_entity_codes"] = form.fields["child_entity_codes"].widget.format_value(sent["child_entity_codes"])
    hidden = re.search(rf'name="{STARTED_FROM}" value="([^"]*)"', response.content.decode())
    assert hidden is not None
    if not sent.pop("active_flag"):
        return sent | {STARTED_FROM: html.unescape(hidden.group(1))}
    return sent | {STARTED_FROM: html.unescape(hidden.group(1)), "active_flag": "on"}


def verdicts(response: HttpResponse) -> dict[str, str]:
    """Who changed which field, as the page says."""
    assert response.status_code == 409
    conflict: Conflict = response.context["conflict"]  # type: ignore[attr-defined] # as above
    return {each.name: str(each.changed_by) for each in conflict.differences}


def stored(code: str = "project") -> dict[str, Any]:
    return Entity.objects.values("label", "icon", "child_entity_codes", "active_flag", "display_order").get(code=code)


def test_the_second_is_shown_the_difference_and_overwrites_nothing(ann: Client, bob: Client) -> None:
    make_entity("project")
    anns, bobs = open_form(ann), open_form(bob)
    assert ann.post(PROJECT, anns | {"label": "Anns"}).status_code == 302
    response = bob.post(PROJECT, bobs | {"label": "Bobs"})
    assert verdicts(response) == {"label": "both"}
    assert stored()["label"] == "Anns"
    page = response.content.decode()
    assert "ann, in the admin" in page
    (difference,) = response.context["conflict"].differences
    assert (difference.before, difference.now, difference.wanted) == ("Project", "Anns", "Bobs")
    offered = sendable(response)
    assert offered["label"] == "Bobs", "what was typed is not lost"
    ann.post(PROJECT, open_form(ann) | {"label": "Anns again"})
    assert verdicts(bob.post(PROJECT, offered)) == {"label": "both"}, "it changed once more"
    assert stored()["label"] == "Anns again"


def test_what_only_one_of_them_changed_is_merged(ann: Client, bob: Client) -> None:
    make_linked("wiki", "form")
    make_entity("project", icon="Flag")
    anns, bobs = open_form(ann), open_form(bob)
    del anns["active_flag"]
    ann.post(PROJECT, anns | {"child_entity_codes": "wiki, form", "display_order": 7})
    response = bob.post(PROJECT, bobs | {"icon": "Folder"})
    expected = {"child_entity_codes": "theirs", "display_order": "theirs", "active_flag": "theirs", "icon": "yours"}
    assert verdicts(response) == expected
    assert bob.post(PROJECT, sendable(response)).status_code == 302
    merged = {"icon": "Folder", "child_entity_codes": ["wiki", "form"], "active_flag": False, "display_order": 7}
    assert stored() == {"label": "Project"} | merged


def test_the_same_change_by_both_needs_no_choice(ann: Client, bob: Client) -> None:
    make_entity("project")
    anns, bobs = open_form(ann), open_form(bob)
    ann.post(PROJECT, anns | {"label": "Venture", "display_order": 7})
    response = bob.post(PROJECT, bobs | {"label": "Venture"})
    assert verdicts(response) == {"label": "same", "display_order": "theirs"}
    assert "label" not in response.context["adminform"].form.errors


def test_an_invalid_field_keeps_its_own_error_in_a_conflict(ann: Client, bob: Client) -> None:
    make_entity("project")
    anns, bobs = open_form(ann), open_form(bob)
    ann.post(PROJECT, anns | {"label": "Anns"})
    response = bob.post(PROJECT, bobs | {"icon": "Nope!"})
    assert verdicts(response) == {"label": "theirs", "icon": "yours"}
    offered = sendable(response)
    assert (offered["label"], offered["icon"]) == ("Anns", "Nope!")
    assert "Lucide has no icon called" in response.content.decode()


def test_a_type_that_was_changed_and_changed_back_is_saved(ann: Client, bob: Client) -> None:
    make_entity("project")
    bobs = open_form(bob)
    ann.post(PROJECT, open_form(ann) | {"label": "Anns"})
    ann.post(PROJECT, open_form(ann) | {"label": "Project"})
    assert bob.post(PROJECT, bobs | {"label": "Bobs"}).status_code == 302
    assert stored()["label"] == "Bobs"


def test_a_change_behind_django_is_noticed_and_shown_as_made_in_sql(bob: Client) -> None:
    make_entity("project")
    bobs = open_form(bob)
    Entity.objects.filter(code="project").update(label="SQL's")
    response = bob.post(PROJECT, bobs | {"label": "Bobs"})
    assert verdicts(response) == {"label": "both"}
    assert "postgres, in SQL" in response.content.decode()


def test_an_invalid_version_is_refused_until_the_page_is_reopened(bob: Client, subtests: pytest.Subtests) -> None:
    make_entity("project")
    for sent in ["{", "[]", '{"label": 1}', "\x00", "null"]:
        with subtests.test(sent=sent):
            for _ in range(2):
                response = bob.post(PROJECT, open_form(bob) | {"label": "Bobs", STARTED_FROM: sent})
                assert response.status_code == 200
                assert "This page is not complete. Open it again." in response.content.decode()
            assert stored()["label"] == "Project"


@pytest.mark.parametrize("with_version", [True, False])
def test_a_change_that_comes_while_the_form_is_checked_is_not_overwritten(
    committed_db: None, superuser: User, monkeypatch: pytest.MonkeyPatch, with_version: bool
) -> None:
    project = make_entity("project")
    client = staff_client(superuser)
    sent = open_form(client) if with_version else fields(project)
    before_the_next(monkeypatch, "clean", lambda: Entity.objects.filter(code="project").update(label="Theirs"))
    assert verdicts(client.post(PROJECT, sent | {"label": "Mine"})) == {"label": "both"}
    assert stored()["label"] == "Theirs"


def test_a_change_that_comes_while_the_form_is_saved_waits_for_it(
    committed_db: None, superuser: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entity("project")
    client = staff_client(superuser)
    seen: list[bool] = []

    def try_to_lock() -> None:
        free = Entity.objects.select_for_update(no_key=True, skip_locked=True).filter(code="project")
        with transaction.atomic():
            seen.append(free.exists())

    sent = open_form(client)
    before_the_next(monkeypatch, "save", try_to_lock)
    assert client.post(PROJECT, sent | {"label": "Mine"}).status_code == 302
    assert seen == [False]


def test_a_deleted_type_is_reported_and_the_typed_values_stay(ann: Client, bob: Client) -> None:
    make_linked("wiki", "project")
    sent = open_form(bob) | {"label": "Bobs", "child_entity_codes": "wiki"}
    anns = open_form(ann) | {"label": "Anns again", "child_entity_codes": "wiki", "display_order": 3}
    ann.post(f"{PROJECT[: -len('change/')]}delete/", {"confirmed": "yes", "way": "delete"})
    assert not Entity.objects.filter(code="project").exists()
    response = bob.post(PROJECT, sent)
    assert response.status_code == 409
    page = response.content.decode()
    assert "ann, in the admin" in page
    assert "Label: Bobs" in page
    assert ADD not in page, "bob may not add"
    add_url = ann.post(PROJECT, anns).context["question"].parts[0].url
    again = ann.get(add_url).context["adminform"].form
    values = {name: again[name].value() for name in ("code", "label", "child_entity_codes", "active_flag")}
    assert values == {"code": "project", "label": "Anns again", "child_entity_codes": "wiki", "active_flag": "on"}


def test_a_type_deleted_while_its_form_is_checked_is_reported(
    committed_db: None, superuser: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entity("project")
    client = staff_client(superuser)
    sent = open_form(client)
    before_the_next(monkeypatch, "clean", lambda: Entity.objects.filter(code="project").delete())
    response = client.post(PROJECT, sent | {"label": "Mine"})
    assert response.status_code == 409
    assert "Label: Mine" in response.content.decode()


# --- Before anybody has typed


def notes(client: Client, url: str = PROJECT) -> str:
    """What is said above the form."""
    page = client.get(url).content.decode()
    return text_of(" ".join(re.findall(r'<p class="entity-note .*?</p>', page, re.DOTALL)))


def test_the_second_is_told_when_opening_the_page_until_the_first_has_saved(ann: Client, bob: Client) -> None:
    make_entity("project")
    assert notes(ann) == ""
    assert re.search(r"ann \(since \d\d:\d\d\) has this form open too", notes(bob))
    assert "bob (since" in notes(ann)
    ann.post(PROJECT, open_form(ann) | {"label": "Anns"})
    assert notes(bob) == ""


def test_an_editor_who_falls_silent_is_forgotten(ann: Client, bob: Client) -> None:
    make_entity("project")
    notes(ann)
    key = cache.make_key(f"editor:project:{User.objects.get(username='ann').pk}")
    left = get_writer_client().ttl(key)
    assert 0 < left <= LASTS_SECONDS
    get_writer_client().delete(key)
    assert notes(bob) == ""


def test_an_open_form_says_soon_that_somebody_has_saved(ann: Client, bob: Client) -> None:
    make_entity("project")
    url = bob.get(PROJECT).context["editors_url"]
    assert bob.get(url).content.decode().strip() == ""
    ann.post(PROJECT, open_form(ann) | {"label": "Anns"})
    assert "Changed since you opened this, by ann, in the admin" in text_of(bob.get(url).content.decode())
    purge_entity("project")
    assert bob.get(url).status_code == 404


def test_viewers_do_not_count_as_editors(ann: Client, viewer: Client) -> None:
    make_entity("project")
    assert viewer.get(PROJECT).status_code == 200
    assert notes(ann) == ""
    assert notes(viewer) == ""


def test_the_preview_of_a_conflict_is_what_saving_it_makes(ann: Client, bob: Client) -> None:
    make_entity("project")
    anns, bobs = open_form(ann), open_form(bob)
    ann.post(PROJECT, anns | {"label": "Anns", "icon": "Rocket"})
    response = bob.post(PROJECT, bobs | {"label": "Bobs", "label_plural": "Bobs things"})
    preview = response.context["preview"]
    shown = json.loads("".join(line.text for line in preview.lines if line.mark != "removed"))
    assert (shown["label"], shown["label_plural"], shown["icon"]) == ("Bobs", "Bobs things", "Rocket")
    assert preview.errors == []
    bob.post(PROJECT, sendable(response))
    row = Entity.objects.get()
    assert (row.label, row.label_plural, row.icon) == ("Bobs", "Bobs things", "Rocket")
