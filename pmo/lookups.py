"""Which data of users is cached, and under which keys: valid tokens are checked without asking the database."""

import re
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet, Value
from django.db.models.functions import Concat
from rest_framework_simplejwt.utils import get_md5_hash_password

from cache_layer import CoherentLookup
from pmo.documents import (
    Document,
    GroupDocument,
    NameDocument,
    PersonDocument,
    SignInDocument,
    TokenEndDocument,
    decoder,
    encode,
)
from pmo.models import PERSON_FIELDS, SignIn, TokenEnd

LIFETIME_SECONDS = 3_600
REST_SECONDS = 300.0
STAMPS = 16
"""One change has a sixteenth of all users' tokens revalidated in Redis."""

SIGN_IN_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

STAMPED: dict[str, Any] = {"stamp": "people", "stamps": STAMPS, "rest_seconds": REST_SECONDS}


def _declare(
    kind: type[Document], rows: QuerySet[Any], build: Callable[[Any], Document], *, field: str = "id", **options: Any
) -> CoherentLookup[Document]:
    """Make documents of one kind coherent, each built from the only row with its identifier in `field`."""
    lookup: CoherentLookup[Document] = CoherentLookup(
        model=rows.model,
        identifier_field=field,
        rows=lambda identifiers: rows.filter(**{f"{field}__in": identifiers}),
        build=lambda found: build(found[0]) if found else None,
        encode=encode,
        decode=decoder(kind),
        ttl_seconds=LIFETIME_SECONDS,
        counted=False,
        **options,
    )
    lookup.register()
    return lookup


def _permissions(through: Any, column: str) -> ArraySubquery:
    """The permission names of a user or a group."""
    name = Concat("permission__content_type__app_label", Value("."), "permission__codename")
    pairs = through._base_manager.filter(**{column: OuterRef("pk")})
    return ArraySubquery(pairs.annotate(name=name).order_by("name").values("name"))


def _build_person(row: Any) -> PersonDocument:
    return PersonDocument(
        id=row.id,
        username=row.username,
        is_active=row.is_active,
        is_staff=row.is_staff,
        is_superuser=row.is_superuser,
        password_mark=get_md5_hash_password(row.password),
        groups=tuple(row.group_ids),
        permissions=tuple(row.permission_names),
    )


_memberships = User.groups.through._base_manager.filter(user_id=OuterRef("pk")).order_by("group_id")

PERSON = _declare(
    PersonDocument,
    User.objects.annotate(
        group_ids=ArraySubquery(_memberships.values("group_id")),
        permission_names=_permissions(User.user_permissions.through, "user_id"),
    ),
    _build_person,
    name="person",
    key_pattern="people:user:{}",
    columns=(*PERSON_FIELDS, "group_ids", "permission_names"),
    columns_read=frozenset(PERSON_FIELDS),
    further_parts=((User.groups.through, "user_id"), (User.user_permissions.through, "user_id")),
    **STAMPED,
)

GROUP = _declare(
    GroupDocument,
    Group.objects.annotate(permission_names=_permissions(Group.permissions.through, "group_id")),
    lambda row: GroupDocument(row.id, tuple(row.permission_names)),
    name="group",
    key_pattern="people:group:{}",
    columns=("id", "permission_names"),
    columns_read=frozenset({"id"}),
    further_parts=((Group.permissions.through, "group_id"),),
)

SIGN_IN = _declare(
    SignInDocument,
    SignIn.objects.all(),
    lambda row: SignInDocument(str(row.id), row.user_id),
    name="sign_in",
    key_pattern="people:sign_in:{}",
    columns=("id", "user_id"),
    columns_read=frozenset({"id", "user", "user_id"}),
    created=False,  # nobody can have looked up a random id before it was issued
    **STAMPED,
)

NAME = _declare(
    NameDocument,
    User.objects.all(),
    lambda row: NameDocument(row.username, row.id),
    field="username",
    name="person_name",
    key_pattern="people:name:{}",
    missing=lambda name: NameDocument(name, None),
    columns=("id", "username"),
    columns_read=frozenset({"id", "username"}),
    write_through=False,
    **STAMPED,
)

TOKEN_END = _declare(
    TokenEndDocument,
    TokenEnd.objects.all(),
    lambda row: TokenEndDocument(row.name, row.ended_ts.timestamp()),
    field="name",
    name="token_end",
    key_pattern="people:token_end:{}",
    missing=lambda name: TokenEndDocument(name, None),
    columns=("name", "ended_ts"),
    write_through=False,
    **STAMPED,
)


def is_sign_in_id(text: str) -> bool:
    """Whether `text` can be the id of a login, in our spelling."""
    return SIGN_IN_ID.fullmatch(text) is not None
