"""Pages of other origins: a browser is told what it may do, whoever answers, and no origin is given another's leave."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.wsgi import get_wsgi_application
from django.test import override_settings
from rest_framework_simplejwt.tokens import AccessToken

from pmo.settings import MIDDLEWARE
from tests.api.conftest import make_user
from tests.api.test_express_lane import TYPE, TYPES, Server
from tests.conftest import make_entity

pytestmark = pytest.mark.usefixtures("committed_db")

OURS, TOO, FOREIGN = "https://app.example.org", "http://localhost:5173", "https://evil.example"
CORS = "corsheaders.middleware.CorsMiddleware"
LEAVE = "Access-Control-Allow-Origin"


@pytest.fixture
def user() -> User:
    make_entity("project")
    return make_user("editor", "delete", password="x")


@pytest.fixture
def token(user: User) -> str:
    return f"Bearer {AccessToken.for_user(user)}"


@pytest.fixture
def server() -> Iterator[Server]:
    with override_settings(CORS_ALLOWED_ORIGINS=[OURS, TOO], MIDDLEWARE=[CORS, *MIDDLEWARE]):
        yield Server(get_wsgi_application())


def preflight(server: Server, origin: str, path: str = TYPE, **variables: str) -> Any:
    asked = {
        "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "PATCH",
        "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": "authorization,if-match,content-type",
    }
    return server.ask(path, REQUEST_METHOD="OPTIONS", HTTP_ORIGIN=origin, **asked, **variables)


def test_a_preflight_is_answered_without_a_token(server: Server) -> None:
    answer = preflight(server, OURS)
    headers = {name.lower(): value for name, value in answer.headers}
    assert answer.status == "200 OK"
    assert headers["access-control-allow-origin"] == OURS
    assert {"authorization", "content-type", "if-match", "if-none-match"} <= set(
        headers["access-control-allow-headers"].split(", ")
    )
    assert {"PATCH", "PUT", "DELETE"} <= set(headers["access-control-allow-methods"].split(", "))
    assert "access-control-allow-credentials" not in headers
    with override_settings(SECURE_SSL_REDIRECT=True):
        assert preflight(Server(get_wsgi_application()), OURS).status == "200 OK", "browsers follow no redirect there"


@pytest.mark.parametrize("origin", [FOREIGN, "null", f"{OURS}.evil.example", "https://app.example.org:444"])
def test_others_are_given_no_leave(server: Server, token: str, origin: str) -> None:
    for answer in (preflight(server, origin), *(server.ask(HTTP_ORIGIN=origin, HTTP_AUTHORIZATION=token),) * 2):
        names = {name.lower() for name, _ in answer.headers}
        assert not [name for name in names if name.startswith("access-control-allow-origin")]


def test_nothing_but_the_api_is_open_to_them(server: Server) -> None:
    for path in ("/admin/login/", "/health", "/"):
        assert LEAVE.lower() not in dict(server.ask(path, HTTP_ORIGIN=OURS).headers)
        assert LEAVE.lower() not in dict(preflight(server, OURS, path).headers)


def test_the_lane_gives_each_origin_its_own_headers_and_what_django_says(
    server: Server, token: str, set_options: Callable[..., None]
) -> None:
    set_options(local_lease_ms=2_000)
    origins = [OURS, TOO, FOREIGN, ""]
    asked = [{"HTTP_ORIGIN": origin} if origin else {} for origin in origins]
    for path in (TYPE, TYPES):
        for variables in asked * 2:
            server.ask(path, HTTP_AUTHORIZATION=token, **variables)
    before = server.django.asked
    answers = [server.ask(TYPES, HTTP_AUTHORIZATION=token, **variables) for variables in asked]
    assert server.django.asked == before, "all of them are replayed"
    for answer, variables in zip(answers, asked, strict=True):
        assert answer == server.ask(TYPES, directly=True, HTTP_AUTHORIZATION=token, **variables)
    leaves = [dict(answer.headers).get(LEAVE.lower()) for answer in answers]
    assert leaves == [OURS, TOO, None, None]
    for answer in answers:
        assert "origin" in dict(answer.headers)["Vary"].lower()
    exposed = dict(answers[0].headers)["access-control-expose-headers"]
    assert {"ETag", "X-Cache", "Location", "Retry-After"} <= set(exposed.split(", "))


def test_errors_have_the_headers_too(server: Server, token: str, without_database: Any) -> None:
    """Whoever answers: DRF, Django's view for what is not there, its check of the host, and who counts logins."""
    known = {"HTTP_AUTHORIZATION": token}
    login = '{"username": "editor", "password": "wrong"}'
    sent = {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(login)), "body": login}
    with override_settings(AXES_FAILURE_LIMIT=1):
        for status, path, variables in (
            ("401", TYPE, {}),
            ("404", "/api/nowhere", {}),
            ("400", TYPE, {"HTTP_HOST": "evil.example"} | known),
            ("412", "/api/v1/entity/project", {"REQUEST_METHOD": "DELETE", "HTTP_IF_MATCH": '"x"'} | known),
            ("429", "/api/v1/auth/login", {"REQUEST_METHOD": "POST"} | sent),
        ):
            answer = server.ask(path, HTTP_ORIGIN=OURS, REMOTE_ADDR="127.0.0.1", **variables)
            assert (answer.status[:3], dict(answer.headers).get(LEAVE.lower())) == (status, OURS), path
    without_database()
    answer = server.ask("/api/v1/entity/type/other", HTTP_ORIGIN=OURS, **known)
    assert (answer.status[:3], dict(answer.headers).get(LEAVE.lower())) == ("503", OURS)
    assert "Retry-After" in dict(answer.headers)


def test_without_any_origin_nothing_is_said_of_them(token: str) -> None:
    assert CORS not in MIDDLEWARE
    server = Server()
    assert preflight(server, OURS).status == "401 Unauthorized"
    answer = server.ask(HTTP_ORIGIN=OURS, HTTP_AUTHORIZATION=token)
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]
    assert "origin" not in dict(answer.headers)["Vary"].lower()
