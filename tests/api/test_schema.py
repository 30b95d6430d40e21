"""The OpenAPI document: valid, complete, and true of every answer to whatever schemathesis thinks of."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.test import Client, RequestFactory
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase
from rest_framework_simplejwt.tokens import AccessToken
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from entities.codes import RESERVED_CODES
from entities.models import Entity
from pmo.web import description
from tests.api.conftest import make_user
from tests.conftest import make_entity, make_linked
from tests.platform.test_access import addresses

schema = SchemaGenerator().get_schema(public=True)
described, existing = schemathesis.openapi.from_dict(schema), schemathesis.openapi.from_dict(schema)
described.app = existing.app = get_wsgi_application()
existing.config.phases.coverage.enabled = "FUZZ_INPUTS" in os.environ

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.missing_required_header,
    checks.unsupported_method,
    checks.allow_header_conformance,
    checks.ignored_auth,
]


@pytest.fixture
def root(committed_db: None, quick_writes: None) -> User:
    """Someone who may do everything, to entity types that exist."""
    make_linked("task", project="task", office="project")
    return make_user("root", is_staff=True, is_superuser=True)


INPUTS = int(os.environ.get("FUZZ_INPUTS", "3"))
"""Of each operation; `make fuzz` tries more, and others each time."""

tried = hypothesis.settings(
    max_examples=INPUTS,
    deadline=None,
    database=None,
    derandomize="FUZZ_INPUTS" not in os.environ,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def ask(case: Any, user: User, checks: list[Any]) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {AccessToken.for_user(user)}"}, checks=checks)


@pytest.mark.fuzz
@described.parametrize()
@tried
def test_every_answer_is_as_described(case: Any, root: User) -> None:
    if case.path_parameters.get("code") not in RESERVED_CODES:  # else another operation's path, which goes before
        ask(case, root, CHECKS)


@pytest.mark.fuzz
@existing.include(path_regex="{code}").parametrize()
@tried
def test_every_answer_about_what_exists_is_as_described(case: Any, root: User) -> None:
    case.path_parameters["code"] = "project"
    ask(case, root, [check for check in CHECKS if check is not checks.negative_data_rejection])
    if not Entity.objects.filter(code="project").exists():  # purged
        make_entity("project")
        Entity.objects.filter(code="office").update(child_entity_codes=["project"])


def test_the_description_is_valid_and_without_gaps() -> None:
    out = StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=out)
    assert "/api/v1/entity/type/{code}" in out.getvalue()


@pytest.mark.django_db
def test_the_served_description_is_the_generated_one() -> None:
    served = Client().get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert served.json() == SchemaGenerator().get_schema(public=True)


@pytest.mark.django_db
def test_the_description_is_made_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [{}, {"Accept": "application/vnd.oai.openapi+json"}]
    first = [Client().get("/api/schema", headers=headers) for headers in asked]
    monkeypatch.delattr(SchemaGenerator, "get_schema")
    again = [Client().get("/api/schema?version=2&lang=de", headers=headers) for headers in asked]
    assert [each.content for each in again] == [each.content for each in first]
    kind = "application/vnd.oai.openapi"
    assert [each["Content-Type"] for each in again] == [kind, f"{kind}+json"]


def test_the_description_is_made_by_one_thread(monkeypatch: pytest.MonkeyPatch, rf: RequestFactory) -> None:
    made: list[int] = []

    def make(*_: object, **__: object) -> dict[str, str]:
        made.append(1)
        time.sleep(0.02)  # for the others to come
        return {}

    monkeypatch.setattr(SchemaGenerator, "get_schema", make)
    description._describe.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(description.DescriptionView.as_view(), rf.get("/api/schema")) for _ in range(4)]
        assert {each.result().status_code for each in asked} == {200}
    description._describe.cache_clear()
    assert made == [1]


def test_every_endpoint_is_described() -> None:
    paths = {pattern.replace("<str:code>", "{code}") for _, pattern in addresses()}
    programs = {path for path in paths if path.startswith(("/api/v1/", "/health", "/readyz"))}
    assert set(described.raw_schema["paths"]) == programs - {"/api/v1/entity/type"}, "an alias is not"


def test_requests_are_described_as_refusing_unknown_fields() -> None:
    schemas = described.raw_schema["components"]["schemas"]
    requests = {name: schema for name, schema in schemas.items() if name.endswith("Request")}
    assert len(requests) == 6
    assert all(schema["additionalProperties"] is False for schema in requests.values())
