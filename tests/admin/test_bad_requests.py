"""What no browser sends is refused, not an error of the server."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.admin.conftest import LIST

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
