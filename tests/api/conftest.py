"""Users, clients that carry their tokens, and ways to take an engine away."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import transaction
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken

from entities.models import Entity
from tests.cache_layer.conftest import own_valkey, restart  # noqa: F401 - fixtures
from tests.conftest import without_waiting

PROJECT: dict[str, Any] = {
    "code": "project",
    "label": "Project",
    "label_plural": "Projects",
    "icon": "FolderKanban",
}


@without_waiting()
@transaction.atomic
def make_user(name: str = "reader", *permissions: str, **fields: Any) -> User:
    """A user with these permissions on entity types: `add`, `change`, `delete`. Without `password` none can log in."""
    user = User.objects.create_user(name, fields.pop("email", f"{name}@example.com"), **fields)
    user.user_permissions.set(
        Permission.objects.filter(
            content_type__app_label=Entity._meta.app_label,
            codename__in=[f"{each}_entity" for each in permissions],
        )
    )
    return user


def bearing(token: str) -> APIClient:
    """A client that sends this token."""
    return APIClient(headers={"Authorization": f"Bearer {token}"})


def client_of(user: User | None) -> APIClient:
    """A client that sends the user's token; none for nobody."""
    return APIClient() if user is None else bearing(str(AccessToken.for_user(user)))


@pytest.fixture
def reader(db: None) -> APIClient:
    return client_of(make_user())


@pytest.fixture
def editor(db: None) -> APIClient:
    return client_of(make_user("editor", "add", "change", "delete"))
