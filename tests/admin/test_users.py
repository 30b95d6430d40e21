"""Users and groups in the admin."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextInputWidget

PAGES = ["auth_user_changelist", "auth_user_add", "auth_group_changelist", "auth_group_add"]


@pytest.mark.parametrize("page", PAGES)
def test_their_pages_open(admin_client: Client, page: str) -> None:
    Group.objects.create(name="Editors")
    assert admin_client.get(reverse(f"admin:{page}")).status_code == 200


def test_the_forms_have_unfolds_fields(admin_client: Client, superuser: User) -> None:
    response = admin_client.get(reverse("admin:auth_user_change", args=[superuser.pk]))
    form = response.context["adminform"].form
    assert isinstance(form.fields["first_name"].widget, UnfoldAdminTextInputWidget)


def test_a_user_is_added_and_can_log_in(admin_client: Client) -> None:
    secret = "correct horse battery"
    admin_client.post(
        reverse("admin:auth_user_add"),
        {"username": "ada", "usable_password": "true", "password1": secret, "password2": secret},
    )
    User.objects.filter(username="ada").update(is_staff=True)
    response = Client().post(
        reverse("admin:login"), {"username": "ada", "password": secret, "next": reverse("admin:index")}
    )
    assert (response.status_code, response["Location"]) == (302, reverse("admin:index"))


def test_a_password_is_changed(admin_client: Client, superuser: User) -> None:
    ada = User.objects.create_user("ada")
    secret = "correct horse battery"
    url = reverse("admin:auth_user_password_change", args=[ada.pk])
    assert admin_client.get(url).status_code == 200
    admin_client.post(url, {"usable_password": "true", "password1": secret, "password2": secret})
    ada.refresh_from_db()
    assert ada.check_password(secret)
