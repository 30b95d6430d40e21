"""Users and groups in the admin."""

from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse

from tests.admin.conftest import staff_client
from tests.api.conftest import make_user


def test_a_password_is_changed(admin_client: Client, superuser: User) -> None:
    ada = User.objects.create_user("ada")
    secret = "correct horse battery"
    url = reverse("admin:auth_user_password_change", args=[ada.pk])
    assert admin_client.get(url).status_code == 200
    admin_client.post(url, {"usable_password": "true", "password1": secret, "password2": secret})
    ada.refresh_from_db()
    assert ada.check_password(secret)


def test_users_and_groups_are_changed_by_superusers_alone(superuser: User) -> None:
    """With any permission on them: who changes users could make a superuser, of themselves for example."""
    clerk, group = make_user("clerk", is_staff=True), Group.objects.create(name="Clerks")
    clerk.user_permissions.set(Permission.objects.filter(content_type__app_label="auth"))
    client = staff_client(clerk)
    sent = {"username": "clerk", "is_active": "on", "is_staff": "on", "is_superuser": "on", "name": "Clerks"}
    password = {"usable_password": "true", "password1": "correct horse battery", "password2": "correct horse battery"}
    for page, arguments in {
        "auth_user_add": [],
        "auth_user_change": [clerk.pk],
        "auth_user_password_change": [superuser.pk],
        "auth_user_delete": [superuser.pk],
        "auth_group_add": [],
        "auth_group_change": [group.pk],
        "auth_group_delete": [group.pk],
    }.items():
        assert client.post(reverse(f"admin:{page}", args=arguments), sent | password).status_code == 403
    assert User.objects.filter(is_superuser=True).count() == User.objects.exclude(pk=clerk.pk).count() == 1
    assert client.get(reverse("admin:auth_user_changelist")).status_code == 200
    clerk.set_password("correct horse battery")
    clerk.save()
    page = staff_client(clerk).get(reverse("admin:auth_user_change", args=[clerk.pk]))
    assert page.status_code == 200
    assert clerk.password.rpartition("$")[2] not in page.content.decode()
