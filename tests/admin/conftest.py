"""Staff, and the pages they use."""

import json
import re
from collections.abc import Callable
from html import unescape
from threading import Thread
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.utils import quote
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.contrib.messages.storage.base import Message
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from entities.models import Entity
from pmo.people.sessions import SessionStore
from tests.api.conftest import make_user
from tests.commands.conftest import redis_down  # noqa: F401 - a fixture

LIST = reverse("admin:entities_entity_changelist")
ADD = reverse("admin:entities_entity_add")


def change_url(code: str) -> str:
    return reverse("admin:entities_entity_change", args=[quote(code)])


def delete_url(code: str) -> str:
    return reverse("admin:entities_entity_delete", args=[quote(code)])


def session_of(user: User) -> str:
    """The key of a new session of this user's, without anything else that a login does."""
    session = SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), settings.AUTHENTICATION_BACKENDS[-1]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


def staff_client(user: User) -> Client:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = session_of(user)
    return client


@pytest.fixture(autouse=True)
def _quick_writes(quick_writes: None) -> None:
    """In the admin nobody waits for others' copies."""


@pytest.fixture
def superuser(db: None) -> User:
    return make_user("root", is_staff=True, is_superuser=True)


@pytest.fixture
def admin_client(superuser: User) -> Client:
    return staff_client(superuser)


@pytest.fixture
def viewer(db: None) -> Client:
    """Staff who may look and no more."""
    return staff_client(make_user("viewer", "view", is_staff=True))


def fields(entity: Entity | None = None, **changes: Any) -> dict[str, Any]:
    """What the form sends: as a browser fills it in for `entity`, or for a new one, with `changes`."""
    given = entity or Entity(code="task", label="Task", label_plural="Tasks", icon="Flag")
    sent = {
        "label": given.label,
        "label_plural": given.label_plural,
        "icon": given.icon,
        "child_entity_codes": ", ".join(given.child_entity_codes),
        "display_order": "" if given.display_order is None else given.display_order,
        "entity_type": given.entity_type,
        "active_flag": "on" if given.active_flag else "",
    }
    if entity is None:
        sent["code"] = given.code
    return {name: value for name, value in (sent | changes).items() if value != "" or name != "active_flag"}


def errors_of(response: HttpResponse) -> dict[str, list[str]]:
    """The form's complaints, by field."""
    assert response.status_code == 200, "it was accepted"
    form = response.context["adminform"].form  # type: ignore[attr-defined] # Django's test client adds it
    return {name: list(texts) for name, texts in form.errors.items()}


def message_of(response: HttpResponse) -> tuple[str, str]:
    """The message a person is shown next, with its level."""
    newest = newest_message(response)
    return newest.level_tag, newest.message


def newest_message(response: HttpResponse) -> Message:
    *_, newest = get_messages(response.wsgi_request)  # type: ignore[attr-defined] # as above
    return newest


def text_of(html: object) -> str:
    """What a person reads or hears of some markup, in one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", str(html))).split())


def submit(client: Client, page: HttpResponse, action: str, **more: str) -> HttpResponse:
    """Send the form of a page whose address ends so, as a browser does."""
    form = re.search(rf'<form[^>]* action="([^"]*{re.escape(action)})".*?</form>', page.content.decode(), re.DOTALL)
    assert form is not None
    sent: dict[str, Any] = {}
    for name, value in re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', form[0]):
        sent.setdefault(name, []).append(unescape(value))
    return client.post(unescape(form[1]), sent | more)


def import_rows(client: Client, *rows: dict[str, Any]) -> HttpResponse:
    """Choose a file, and import what the preview shows."""
    file = SimpleUploadedFile("types.json", json.dumps(rows).encode())
    return submit(client, client.post(f"{LIST}import/", {"file": file}), "process_import/")


def act(client: Client, action: str, *codes: str, **more: str) -> HttpResponse:
    """Run an action of the list on these entity types."""
    return client.post(LIST, {"action": action, "_selected_action": codes, **(more or {"index": "0"})})


def remove(client: Client, way: str, *codes: str) -> HttpResponse:
    """Deactivate or delete these in this way, from the page that asks."""
    action = "delete_selected" if "delete" in way else "deactivate"
    return act(client, action, *codes, confirmed="yes", way=way)


def before_the_next(
    monkeypatch: pytest.MonkeyPatch, method: str, change: Callable[[], object], *, owner: Any = Entity
) -> None:
    """Have somebody else commit `change` just before the next call of, for example, `save`."""
    original = getattr(owner, method)
    pending = [change]

    def somebody_else() -> None:
        try:
            pending.pop()()
        finally:
            connections.close_all()

    def late(self: object, *args: Any, **options: Any) -> Any:
        if pending:
            other = Thread(target=somebody_else)
            other.start()
            other.join(timeout=20)
            assert not other.is_alive()
        return original(self, *args, **options)

    monkeypatch.setattr(owner, method, late)
