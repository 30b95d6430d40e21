"""The form for one entity type: what it accepts, what it says when it does not, and the names of icons."""

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from entities.admin.form.previews import Preview
from entities.admin.form.views import MAX_SUGGESTIONS
from entities.admin.widgets import draw_icon
from entities.codes import RESERVED_CODES, derive_code, is_code
from entities.documents import document_of, encode
from entities.models import Entity
from entities.words.icons import TAGS_FILE, current_name, describe_former, former_names, icon_names
from entities.words.plurals import suggest_plural
from tests.admin.conftest import ADD, before_the_next, change_url, errors_of, fields, newest_message
from tests.conftest import make_entity, make_linked

ICONS = reverse("admin:entities_entity_icons")
CHILDREN = reverse("admin:entities_entity_children")
NEW_PREVIEW = reverse("admin:entities_entity_preview_new")


def preview_url(code: str) -> str:
    return reverse("admin:entities_entity_preview", args=[code])


def test_an_entity_type_is_added(admin_client: Client) -> None:
    make_linked("wiki", "form")
    response = admin_client.post(ADD, fields(child_entity_codes="wiki, form", display_order=5))
    assert response.status_code == 302
    task = Entity.objects.get(code="task")
    assert (task.label, task.label_plural, task.icon, task.entity_type) == ("Task", "Tasks", "Flag", "task")
    assert (task.child_entity_codes, task.display_order, task.active_flag) == (["wiki", "form"], 5, True)


def test_the_code_cannot_be_changed_afterwards(admin_client: Client) -> None:
    project = make_entity("project")
    page = admin_client.get(change_url("project")).content.decode()
    assert 'name="code"' not in page
    assert f'class="icon-field-drawing" x-ref="drawing">{draw_icon("FolderKanban", size=22)}' in page
    admin_client.post(change_url("project"), fields(project, code="venture", label="Venture"))
    assert list(Entity.objects.values_list("code", "label")) == [("project", "Venture")]


def test_what_is_wrong_is_said_at_its_field(admin_client: Client, subtests: pytest.Subtests) -> None:
    make_entity("wiki")
    for field, value, message in [
        ("code", "Task", "Use a lower-case letter, then lower-case letters, digits or _, 50 at most."),
        ("code", "types", "types is reserved."),
        ("code", "wiki", "Entity type with this Code already exists."),
        ("label", "", "This field is required."),
        ("label", "a\x07b", "Control characters are not allowed."),
        ("label", "x" * 101, "Ensure this value has at most 100 characters (it has 101)."),
        ("icon", "", "This field is required."),
        ("icon", "FolderKanbam", 'Lucide has no icon called "FolderKanbam". Did you mean FolderKanban'),
        ("icon", "%%%", 'Lucide has no icon called "%%%". Its icons are shown on lucide.dev.'),
        ("child_entity_codes", "wiki, nope, <b>", "Unknown entity types: nope, <b>."),
        ("child_entity_codes", "wiki, wiki", "Listed more than once: wiki."),
        ("child_entity_codes", "wi\x00ki", "Unknown entity types: wi\x00ki."),
        ("display_order", "soon", "Enter a whole number."),
        ("display_order", "99999999999", "Ensure this value is less than or equal to 2147483647."),
    ]:
        with subtests.test(field=field, value=value, message=message):
            errors = errors_of(admin_client.post(ADD, fields(**{field: value})))
            assert list(errors) == [field]
            assert errors[field][0].startswith(message)
            assert Entity.objects.count() == 1


def test_children_are_split_by_commas_or_spaces_and_can_be_emptied(admin_client: Client) -> None:
    make_linked("wiki", "form")
    project = make_entity("project", child_entity_codes=["form", "wiki"])
    for text in ("wiki, form", "", "wiki form", "", " wiki,,form ,", "", "wiki\nform"):
        admin_client.post(change_url("project"), fields(project, child_entity_codes=text))
        project.refresh_from_db()
        assert project.child_entity_codes == (["wiki", "form"] if text else [])


def suggestions(client: Client, text: str, **more: str) -> list[str]:
    """The codes that are offered as children."""
    return list(client.get(CHILDREN, {"q": text, **more}).json()["types"])


def test_children_are_searched_by_label_and_code_best_first(admin_client: Client) -> None:
    make_entity("subtask", label="Small task")
    make_entity("task")
    make_entity("wiki", label="Task notes", active_flag=False)
    make_entity("form")
    assert suggestions(admin_client, " TASK ") == ["task", "wiki", "subtask"]
    assert suggestions(admin_client, "task", without="task,nonsense!") == ["wiki", "subtask"]
    assert suggestions(admin_client, "%") == []
    assert suggestions(admin_client, "ta\x00sk") == ["task", "wiki", "subtask"]
    inactive = admin_client.get(CHILDREN, {"q": "notes"}).json()
    assert inactive == {"types": {"wiki": "Task notes (inactive)"}, "more": False}


def test_of_many_matches_only_the_first_are_sent(admin_client: Client) -> None:
    for number in range(MAX_SUGGESTIONS + 1):
        make_entity(f"type_{number:02}")
    answer = admin_client.get(CHILDREN, {"q": "type"}).json()
    assert (list(answer["types"])[-1], answer["more"]) == (f"type_{MAX_SUGGESTIONS - 1:02}", True)


def test_the_page_has_only_the_labels_of_its_own_children(admin_client: Client) -> None:
    make_entity("wiki", label="</script>Wiki", active_flag=False)
    make_linked("form", project="wiki")
    page = admin_client.get(change_url("project")).content.decode()
    data = re.search(r'<script type="application/json">(.*?)</script>', page)
    assert data is not None
    assert json.loads(data.group(1)) == {"wiki": "</script>Wiki (inactive)"}


def test_every_icon_is_sent_once_and_kept(admin_client: Client) -> None:
    response = admin_client.get(ICONS)
    options = dict(re.findall(r'role="option" title="(\w+)" (data-names=.*?</svg>)</div>', response.content.decode()))
    assert options.keys() == icon_names().keys()
    assert 'data-names=" flag "' in options["Flag"]
    assert 'check square checksquare "' in options["SquareCheckBig"], "a former name finds it"
    assert not any("<script" in option for option in options.values())
    assert "immutable" in response["Cache-Control"]
    assert admin_client.get(ICONS, headers={"If-None-Match": response["ETag"]}).status_code == 304
    assert admin_client.get(ICONS, headers={"If-None-Match": '"other"'}).status_code == 200
    assert response["ETag"].strip('"') in admin_client.get(ADD).content.decode(), "the page asks for this version"
    assert len(admin_client.get(ICONS, headers={"Accept-Encoding": "gzip"}).content) < 150_000


def preview(client: Client, url: str, sent: dict[str, Any]) -> tuple[dict[str, Any], Preview]:
    """The document, put together from what is shown of it, and everything else."""
    response = client.post(url, sent)
    assert response.status_code == 200
    shown: Preview = response.context["preview"]
    return json.loads("".join(line.text for line in shown.lines if line.mark != "removed")), shown


def test_the_preview_is_the_document_that_saving_makes(admin_client: Client) -> None:
    make_entity("wiki", label_plural="Wiki pages")
    project = make_entity("project")
    sent = fields(project, label='V"<b>', label_plural="", icon="flag", child_entity_codes="wiki", active_flag="")
    foreseen, shown = preview(admin_client, preview_url("project"), sent)
    assert Entity.objects.get(code="project").label == "Project", "nothing is saved"
    admin_client.post(change_url("project"), sent)
    saved = json.loads(encode(document_of(Entity.objects.get(code="project"))))
    assert list(foreseen) == list(saved)
    assert foreseen | {"modified_ts": ""} == saved | {"modified_ts": ""}
    changed = re.findall(
        r'^  "(\w+)":', "\n".join(line.text for line in shown.lines if line.mark == "added"), re.MULTILINE
    )
    assert set(changed) - {"modified_ts"} == {"label", "label_plural", "icon", "child_entity_codes", "active_flag"}
    assert [(tab.label, tab.hidden) for tab in shown.tabs] == [("Wiki pages", "")]
    assert "V\\&quot;&lt;b&gt;" in admin_client.post(preview_url("project"), sent).content.decode()


def test_the_preview_of_an_unchanged_form_is_what_is_stored(admin_client: Client) -> None:
    project = make_entity("project")
    document, shown = preview(admin_client, preview_url("project"), fields(project))
    assert (document, shown.differs) == (json.loads(encode(document_of(project))), False)


def test_the_preview_tells_which_tabs_a_screen_would_not_show(admin_client: Client) -> None:
    make_entity("wiki", active_flag=False)
    make_entity("form")
    sent = fields(child_entity_codes="form, wiki, task, nope")
    _, shown = preview(admin_client, NEW_PREVIEW, sent)
    expected = [("form", ""), ("wiki", "inactive"), ("task", ""), ("nope", "there is no such type")]
    assert [(tab.code, tab.hidden) for tab in shown.tabs] == expected
    assert ("Children", "Unknown entity types: nope.") in shown.errors


def test_the_preview_says_what_is_wrong_and_shows_the_rest(admin_client: Client) -> None:
    project = make_entity("project", icon="Flag")
    document, shown = preview(admin_client, preview_url("project"), fields(project, label="Venture", icon="Nope!"))
    assert (document["label"], document["icon"]) == ("Venture", "Flag")
    assert [label for label, _ in shown.errors] == ["Icon"]
    document, _ = preview(admin_client, NEW_PREVIEW, {})
    assert document["label"] == ""


def test_the_preview_of_a_type_that_was_deleted_says_so(admin_client: Client) -> None:
    assert admin_client.post(preview_url("project"), fields()).status_code == 404


def test_the_regular_plural(subtests: pytest.Subtests) -> None:
    for label, plural in [
        ("Project", "Projects"),
        ("Company", "Companies"),
        ("Survey", "Surveys"),
        ("Business", "Businesses"),
        ("Branch", "Branches"),
        ("Tax", "Taxes"),
        ("Change Request", "Change Requests"),
        ("", ""),
    ]:
        with subtests.test(label=label, plural=plural):
            assert suggest_plural(label) == plural


def test_a_child_removed_since_the_form_was_checked_is_named(
    committed_db: None, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_entity("wiki")
    before_the_next(monkeypatch, "save", lambda: Entity.objects.filter(code="wiki").delete())
    errors = errors_of(admin_client.post(ADD, fields(child_entity_codes="wiki")))
    assert errors == {"child_entity_codes": ["Unknown entity types: wiki."]}
    assert not Entity.objects.filter(code="task").exists()


def test_a_code_taken_since_the_form_was_checked_is_said_to_be_taken(
    committed_db: None, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_the_next(monkeypatch, "save", lambda: make_entity("task", label="Theirs"))
    errors = errors_of(admin_client.post(ADD, fields()))
    assert errors == {"code": ["Entity type with this Code already exists."]}
    assert Entity.objects.get().label == "Theirs"


def test_those_who_may_only_look_see_the_form_and_cannot_save(viewer: Client) -> None:
    make_entity("wiki")
    project = make_entity("project", child_entity_codes=["wiki"])
    page = viewer.get(change_url("project")).content.decode()
    assert "wiki" in page
    assert "data-hx-post" not in page
    assert viewer.post(change_url("project"), fields(project, label="Venture")).status_code == 403
    assert viewer.post(ADD, fields()).status_code == 403
    assert list(Entity.objects.order_by("code").values_list("label", flat=True)) == ["Project", "Wiki"]


@pytest.mark.parametrize("sent", ["CheckSquare", "check-square"])
def test_a_former_icon_is_kept_drawn_and_told_by_its_name_of_now(admin_client: Client, sent: str) -> None:
    page = admin_client.post(ADD, fields(icon=sent), follow=True).content.decode()
    assert Entity.objects.get().icon == "CheckSquare"
    assert "Lucide calls the icon CheckSquare SquareCheckBig now; both names work." in page
    assert str(draw_icon("SquareCheckBig")) in page


def test_a_code_is_made_of_the_label(subtests: pytest.Subtests) -> None:
    for label, code in [
        ("Change Request", "change_request"),
        ("  Purchase-order (2nd) ", "purchase_order_2nd"),
        ("3D Model", "d_model"),
        ("Größe", "grosse"),
        ("Éléments d'Ærø", "elements_daero"),
        ("Проект", ""),
        ("x" * 60, "x" * 50),
        (f"{'long ' * 9}labels here", "long_long_long_long_long_long_long_long_long"),
    ]:
        with subtests.test(label=label, code=code):
            assert derive_code(label) == code
            assert not code or is_code(code)


@given(label=st.text(max_size=100))
def test_every_code_that_is_made_of_a_label_is_valid(label: str) -> None:
    code = derive_code(label)
    assert not code or is_code(code) or code in RESERVED_CODES


def added(client: Client, **sent: str) -> Entity:
    before = set(Entity.objects.values_list("code", flat=True))
    assert client.post(ADD, fields(code="", **sent)).status_code == 302
    return Entity.objects.exclude(code__in=before).get()


def test_a_type_needs_a_label_and_an_icon_and_comes_last(admin_client: Client) -> None:
    make_entity("wiki", display_order=40)
    entity = added(admin_client, label="Change Request", label_plural="", entity_type="")
    values = (entity.code, entity.entity_type, entity.label_plural, entity.display_order)
    assert values == ("change_request", "change_request", "Change Requests", 50)
    response = admin_client.post(change_url("change_request"), fields(entity, display_order=""))
    assert errors_of(response) == {"display_order": ["This field is required."]}, "once it is there"


def test_a_code_that_is_taken_or_reserved_gets_a_number(admin_client: Client) -> None:
    assert [added(admin_client, label=label).code for label in ("Risk", "Risk", "risk!", "Cache")] == [
        "risk",
        "risk_2",
        "risk_3",
        "cache_2",
    ]
    long = "y" * 50
    assert [added(admin_client, label=long).code for _ in range(2)] == [long, f"{'y' * 48}_2"]


def test_a_label_without_letters_asks_for_a_code(admin_client: Client) -> None:
    assert errors_of(admin_client.post(ADD, fields(code="", label="Проект"))) == {
        "code": ["Give a code: the label has no letter from a to z to make one from."]
    }
    assert "code" not in errors_of(admin_client.post(ADD, fields(code="", label="")))


def test_the_preview_says_which_code_it_will_be(admin_client: Client) -> None:
    page = admin_client.post(NEW_PREVIEW, fields(code="", label="Big Risk")).content.decode()
    assert 'data-code="big_risk"' in page
    page = admin_client.post(NEW_PREVIEW, fields(code="mine", label="Big Risk")).content.decode()
    assert 'data-code="mine"' in page


def test_the_form_says_who_lists_a_type_and_takes_it_out_in_the_same_save(
    committed_db: None, admin_client: Client
) -> None:
    wiki = make_entity("wiki")
    make_entity("project", child_entity_codes=["wiki"])
    page = admin_client.get(change_url("wiki")).content.decode()
    assert "1 entity type lists it as a child." in page
    assert f'href="{change_url("project")}">project<' in page
    assert 'name="detach"' in page
    admin_client.post(change_url("wiki"), fields(wiki, label="Pages", active_flag=""))
    assert Entity.objects.get(code="project").child_entity_codes == ["wiki"], "it was not asked for"
    Entity.objects.filter(code="wiki").update(active_flag=True)
    wiki.refresh_from_db()
    response = admin_client.post(change_url("wiki"), fields(wiki, active_flag="", detach="on"))
    assert Entity.objects.get(code="project").child_entity_codes == []
    assert "lists it as a child" not in admin_client.get(change_url("wiki")).content.decode()
    admin_client.post(newest_message(response).extra_tags)
    assert Entity.objects.get(code="project").child_entity_codes == ["wiki"]
    assert Entity.objects.get(code="wiki").active_flag


def test_only_what_is_switched_off_is_taken_out_of_lists(admin_client: Client) -> None:
    wiki = make_entity("wiki")
    make_entity("project", child_entity_codes=["wiki"])
    admin_client.post(change_url("wiki"), fields(wiki, label="Pages", detach="on"))
    assert Entity.objects.get(code="project").child_entity_codes == ["wiki"]


def test_every_former_name_leads_to_an_icon_and_hides_none() -> None:
    assert set(former_names().values()) <= set(icon_names())
    assert not set(former_names()) & set(icon_names())


def test_every_icon_has_the_tags_of_its_own_version_of_lucide() -> None:
    found = json.loads(TAGS_FILE.read_bytes())["tags"]
    assert [drawing for drawing, tags in found.items() if not tags] == []
    assert "money" in found["banknote"]
    assert found.keys() == set(icon_names().values())


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("CheckSquare", "SquareCheckBig"),
        ("BarChart", "ChartNoAxesColumnIncreasing"),
        ("GitCommit", "GitCommitHorizontal"),
        ("HomeIcon", "House"),
        ("LucideFlag", "Flag"),
        ("LucideFlagIcon", None),
        ("Icon", None),
        ("constructor", None),
        ("House", "House"),
    ],
)
def test_the_name_of_now(name: str, now: str | None) -> None:
    assert current_name(name) == now
    assert bool(describe_former(name)) == (now not in (None, name))
