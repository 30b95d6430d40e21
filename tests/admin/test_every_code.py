"""Codes that look like something else in an address lead to their own pages, from everywhere."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.utils import quote, unquote
from django.test import Client
from django.urls import resolve, reverse

from entities.models import EntityEvent
from tests.conftest import make_entity

CODES = ("phase_22", "a_5f22", "x_2f_3a", "b__", "add", "history")
"""Django's escapes of other characters, and words of the admin's own paths."""
LINK = re.compile(r'(?:href|action|formaction|data-[a-z-]+)="(/admin/[^"#?]*)')
PAGES = ("change", "history", "delete", "cache")


def addresses(page: str) -> set[str]:
    return set(LINK.findall(page))


@pytest.mark.parametrize("code", CODES)
def test_every_page_of_a_code_and_every_link_on_it_is_about_that_code(admin_client: Client, code: str) -> None:
    make_entity(code, label="Same")
    make_entity("parent", child_entity_codes=[code])
    newest = EntityEvent.objects.filter(code=code).latest("pgh_id").pgh_id
    found: set[str] = set()
    pages = [reverse(f"admin:entities_entity_{page}", args=[quote(code)]) for page in PAGES]
    pages.append(reverse("admin:entities_entity_restore", args=[quote(code), newest]))
    pages.append(reverse("admin:entities_entity_compare", args=[quote(code)]) + f"?old={newest}&new={newest}")
    pages.append(reverse("cache:entry", args=[code]))
    for page in pages:
        answer = admin_client.get(page)
        assert answer.status_code == 200, page
        found |= addresses(answer.content.decode())
    for address in found:
        where = resolve(address)
        about = where.kwargs.get("object_id")
        if about is not None and str(where.url_name).startswith("entities_entity_"):
            assert unquote(about) in (code, "parent"), f"{address} leads to {unquote(about)}"
    assert reverse("admin:entities_entity_change", args=[quote(code)]) in found


def test_the_lists_lead_to_each(admin_client: Client) -> None:
    for code in CODES:
        make_entity(code)
    lists = ("admin:entities_entity_changelist", "admin:entities_entity_map", "cache:entries")
    for page in map(reverse, lists):
        answer = admin_client.get(page)
        assert answer.status_code == 200, page
        abouts = [resolve(address).kwargs for address in addresses(answer.content.decode())]
        led = {unquote(about["object_id"]) for about in abouts if "object_id" in about}
        led |= {about["code"] for about in abouts if "code" in about}
        assert led.issuperset(CODES), page
