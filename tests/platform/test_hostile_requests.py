"""What a stranger can send: nothing of it tells more, takes for ever, or forges a line of the log."""

import ast
import logging
import re
import re._parser as parser  # type: ignore[import-not-found] # of the standard library, without types
from collections.abc import Callable, Iterator
from logging.config import DictConfigurator  # type: ignore[attr-defined] # as above
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from entities.codes import CODE_PATTERN
from entities.services import EntityInfrastructure
from entities.texts import INVISIBLE_ALONE, UNREADABLE
from pmo.monitoring.logs import logging_config
from tests.admin.conftest import LIST, staff_client
from tests.api.conftest import client_of, make_user
from tests.conftest import make_entity

LOGIN, LOGOUT, REFRESH = (f"/api/v1/auth/{name}" for name in ("login", "logout", "refresh"))
PASSWORD = "correct horse battery staple"


class CountedHasher(MD5PasswordHasher):
    """A quick one that says how often it was asked."""

    asked = 0

    def encode(self, password: str, salt: str) -> str:
        CountedHasher.asked += 1
        return str(super().encode(password, salt))


@pytest.fixture(autouse=True)
def _counted_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountedHasher"]


def cost_of(name: str, password: str) -> tuple[int, int, Any]:
    """How often a login asks for a password's hash and the database, and what it answers."""
    CountedHasher.asked = 0
    with CaptureQueriesContext(connection) as queries:
        answer = APIClient().post(LOGIN, {"username": name, "password": password})
    return CountedHasher.asked, len(queries), (answer.status_code, answer.json(), sorted(answer.headers))


def test_a_login_costs_and_answers_the_same_whether_there_is_such_a_user_or_not(db: None) -> None:
    make_user("ada", password=PASSWORD)
    make_user("bea", password=PASSWORD)
    make_user("gone", password=PASSWORD, is_active=False)
    make_user("passwordless")
    known = cost_of("ada", "wrong")
    assert known[0] == 1
    assert cost_of("nobody", "wrong") == known
    assert cost_of("gone", PASSWORD) == known
    assert cost_of("passwordless", "wrong") == known
    assert cost_of("bea@example.com", "wrong") == cost_of("nobody@example.com", "wrong")


def test_an_inactive_entity_type_is_told_from_none_only_where_it_is_asked_for(db: None) -> None:
    make_entity("hidden", active_flag=False)
    make_entity("project", child_entity_codes=["hidden"])
    reader = client_of(make_user())
    one, none = (reader.get(f"/api/v1/entity/type/{code}") for code in ("hidden", "nothing"))
    assert (one.status_code, one.content) == (none.status_code, none.content)
    assert sorted(one.headers) == sorted(none.headers)
    assert reader.get("/api/v1/entity/types?codes=hidden,nothing").json() == []
    assert reader.get("/api/v1/entity/type/project?children=true").json()["children"] == []


def test_a_form_of_more_than_a_megabyte_is_refused(db: None) -> None:
    urlencoded = "username=" + "x" * 1_100_000
    answer = Client().post("/admin/login/", urlencoded, "application/x-www-form-urlencoded")
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/admin/login/", "/admin/entities/entity/import/", "/admin/nowhere"])
def test_a_form_with_files_of_more_than_ten_megabytes_is_refused_unread(db: None, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "x" * 32
    length = {"CONTENT_LENGTH": "10000001"}  # of which one byte comes
    answer = client.generic("POST", path, b"x", "multipart/form-data; boundary=x", **length)  # type: ignore[arg-type] # a variable
    assert answer.status_code == 400


def test_nobody_searches_by_a_pattern_of_their_own(db: None, subtests: pytest.Subtests) -> None:
    make_entity("project")
    root = staff_client(make_user("root", is_staff=True, is_superuser=True))
    for lookup in ["label__regex=(a*)*$", "label__iregex=(", "code__regex=(x%2Bx%2B)%2By"]:
        with subtests.test(lookup=lookup):
            for address, field in {
                "entities/entity": "",
                "entities/cacheoperation": "username",
                "auth/user": "username",
            }.items():
                with CaptureQueriesContext(connection) as queries:
                    answer = root.get(f"/admin/{address}/?{field + '__' + lookup.split('__')[1] if field else lookup}")
                assert answer.status_code == 400
                assert not [query for query in queries if "~" in query["sql"]]


def repeats(parsed: Any, inside: bool = False) -> Iterator[bool]:
    """For every repetition without end in a parsed pattern: whether it is inside another one."""
    if isinstance(parsed, tuple) and len(parsed) == 3 and parsed[1] is parser.MAXREPEAT:  # least, most, what
        yield inside
        inside = True
    if isinstance(parsed, (tuple, list, parser.SubPattern)):
        for part in parsed:
            yield from repeats(part, inside)


def patterns_of_ours() -> Iterator[str]:
    """Every pattern written into a call of `re` in the project's code."""
    for file in (path for folder in ("pmo", "entities", "cache_layer") for path in Path(folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                owner, first = node.func.value, node.args[0]
                if isinstance(owner, ast.Name) and owner.id == "re" and isinstance(first, ast.Constant):
                    yield str(first.value)


def test_no_pattern_can_take_exponential_time() -> None:
    found = [CODE_PATTERN, INVISIBLE_ALONE, UNREADABLE, *patterns_of_ours()]
    assert len(found) > 8
    assert [pattern for pattern in found if any(repeats(parser.parse(pattern)))] == []
    assert any(repeats(parser.parse(r"(a+)+$"))), "it finds one"


FORGED = '\n{"event": "Cache cleared", "level": "info"}\r\x1b]0;owned\x07\u2028x'


@pytest.fixture
def formatted(caplog: pytest.LogCaptureFixture) -> Callable[[str], list[str]]:
    """Everything logged, as a file has it (`json`) or a terminal (`console`)."""
    formatters = logging_config(level="INFO", file="")["formatters"]
    caplog.set_level(logging.INFO)

    def formatted(name: str) -> list[str]:
        formatter = DictConfigurator({"version": 1}).configure_formatter(formatters[name].copy())
        return [formatter.format(record) for record in caplog.records]

    return formatted


def test_no_input_forges_a_line_of_the_log(db: None, formatted: Callable[[str], list[str]]) -> None:
    staff = client_of(make_user("root", is_staff=True, is_superuser=True))
    Client(enforce_csrf_checks=True).post(f"/admin/{FORGED}")
    Client().post("/admin/login/", {"username": f"a{FORGED}", "password": "x"})
    APIClient().post(LOGIN, {"username": f"a{FORGED}", "password": "x"})
    Client(headers={"Host": "evil.example\n{}"}).get("/admin/login/")
    staff.get(f"/api/v1/entity/type/{FORGED}")
    staff.patch("/api/v1/entity/project", {FORGED: FORGED})
    logging.getLogger("pmo").warning("Refused", extra={"path": FORGED})
    lines = formatted("json")
    assert len(lines) > 5
    assert [line for line in lines if re.search(r"[\x00-\x1f\x7f-\x9f]", line)] == []
    assert [text for text in formatted("console") if re.search("\n{|[\r\x07]|\x1b\\]", text)] == []


def test_no_secret_is_logged_or_told(
    db: None, formatted: Callable[[str], list[str]], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METRICS_TOKEN = "the token of the metrics"
    ada = make_user("ada", password=PASSWORD, is_staff=True)
    tokens = APIClient().post(LOGIN, {"username": "ada", "password": PASSWORD}).json()
    APIClient().post(LOGIN, {"username": "ada", "password": "a password that is wrong"})
    APIClient().post(REFRESH, {"refresh": tokens["refresh"] + "x"})
    APIClient().post(LOGOUT, {"refresh": tokens["refresh"]})
    Client().get("/metrics", headers={"Authorization": "Bearer the token of the metrics"})
    Client().post("/admin/login/?next=/admin/", {"username": "ada", "password": PASSWORD})

    def fail(*_: object) -> None:
        raise RuntimeError("an error that says too much")

    monkeypatch.setattr(EntityInfrastructure, "read_entity", fail)
    client = client_of(ada)
    client.raise_request_exception = False
    answer = client.get("/api/v1/entity/type/project")
    assert answer.status_code == 500
    assert b"too much" not in answer.content
    assert b"Traceback" not in answer.content
    ada.refresh_from_db()
    secrets = [
        PASSWORD,
        "a password that is wrong",
        tokens["token"],
        tokens["refresh"],
        "the token of the metrics",
        ada.password,
        str(settings.SECRET_KEY),
    ]
    logged = "\n".join(formatted("json") + formatted("console"))
    assert "too much" in logged, "the log has the error"
    assert [secret for secret in secrets if secret in logged] == []


LOG = reverse("admin:entities_cacheoperation_changelist")


def test_a_form_in_another_charset_is_a_bad_request(db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.get("/admin/login/")
    form = "application/x-www-form-urlencoded; charset=utf-16"
    answer = client.post("/admin/login/", b"username=a&password=b", content_type=form)
    assert (answer.status_code, b"The request could not be read." in answer.content) == (400, True)


@pytest.mark.parametrize("year", ["0", "-1", "99999999999999999999"])
@pytest.mark.parametrize("address", [f"{LIST}?modified_ts__year=", f"{LOG}?done_ts__year="])
def test_a_year_that_cannot_be_is_no_filter(admin_client: Client, address: str, year: str) -> None:
    answer = admin_client.get(f"{address}{year}")
    assert answer.status_code == 302
    assert answer["Location"].endswith("?e=1")
