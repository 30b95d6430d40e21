"""What people typed is shown as text on every page, never as markup."""

import json

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from entities.admin.form.conflicts import sign_values
from entities.admin.history.versions import History
from entities.fields import values_of
from tests.admin.conftest import LIST, change_url, delete_url, fields
from tests.conftest import make_entity, sql

EVIL = '"><script>alert(1)</script>'
NAMES = ("changelist", "changes", "map")


def test_what_people_typed_is_never_markup(admin_client: Client) -> None:
    project = make_entity("project")
    make_entity("parent", child_entity_codes=["project"])
    noted = json.dumps(dict.fromkeys(("source", "username", "command", "act", "file"), EVIL))
    sql("SELECT set_config('pghistory.context_metadata', %s, true)", noted)
    sql("UPDATE app.entity SET label = %s, icon = '<script>' WHERE code = 'project'", EVIL)
    sql("SELECT set_config('pghistory.context_metadata', '', true)")
    new, old = History("project").ids
    history = reverse("admin:entities_entity_history", args=["project"])
    addresses = [*(reverse(f"admin:entities_entity_{name}") for name in NAMES), reverse("admin:index")]
    undo, entries = reverse("admin:entities_entity_undo", args=[new]), reverse("cache:entries")
    addresses += [history, f"{history}compare/?old={old}&new={new}", f"{history}{new}/restore/", undo]
    addresses += [change_url("project"), delete_url("project"), entries, f"{entries}project/", f"{LIST}?q={EVIL}"]
    answers = [admin_client.get(address) for address in [*addresses, f"{LIST}map/?around={EVIL}"]]
    conflict = fields(project, label=f"{EVIL} too", started_from=sign_values(values_of(project)))
    answers.append(admin_client.post(change_url("project"), conflict))
    row = {"code": "project", "label": f"{EVIL} too", "icon": "Flag"}
    file = SimpleUploadedFile("types.json", json.dumps([row]).encode())
    answers.append(admin_client.post(f"{LIST}import/", {"file": file}))
    for answer in answers:
        page = answer.content.decode()
        assert "&lt;script&gt;alert(1)" in page, answer.request["PATH_INFO"]
        assert "<script>alert" not in page, answer.request["PATH_INFO"]
