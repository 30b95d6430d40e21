"""Which data of users is cached, and under which keys: valid tokens are checked without asking the database."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

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

OF_PEOPLE: dict[str, Any] = {"encode": encode, "ttl_seconds": LIFETIME_SECONDS, "counted": False}
STAMPED = OF_PEOPLE | {"stamp": "people", "stamps": STAMPS, "rest_seconds": REST_SECONDS}


def _permissions(through: Any, column: str) -> ArraySubquery:
    """The permission names of a user or a group."""
    name = Concat("permission__content_type__app_label", Value("."), "permission__codename")
    pairs = through._base_manager.filter(**{column: OuterRef("pk")})
    return ArraySubquery(pairs.annotate(name=name).order_by("name").values("name"))


def _people(identifiers: Sequence[str]) -> QuerySet[User]:
    memberships = User.groups.through._base_manager.filter(user_id=OuterRef("pk")).order_by("group_id")
    return User.objects.filter(id__in=identifiers).annotate(
        group_ids=ArraySubquery(memberships.values("group_id")),
        permission_names=_permissions(User.user_permissions.through, "user_id"),
    )


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


def _groups(identifiers: Sequence[str]) -> QuerySet[Group]:
    return Group.objects.filter(id__in=identifiers).annotate(
        permission_names=_permissions(Group.permissions.through, "group_id")
    )


def _of_row(build: Callable[[Any], Document]) -> Callable[[Sequence[Any]], Document | None]:
    """The document of an identifier's only row, if there is one."""
    return lambda rows: build(rows[0]) if rows else None


PERSON: CoherentLookup[PersonDocument] = CoherentLookup(
    name="person",
    model=User,
    identifier_field="id",
    key_pattern="people:user:{}",
    rows=_people,
    build=_of_row(_build_person),
    decode=decoder(PersonDocument),
    columns=(*PERSON_FIELDS, "group_ids", "permission_names"),
    columns_read=frozenset(PERSON_FIELDS),
    further_parts=((User.groups.through, "user_id"), (User.user_permissions.through, "user_id")),
    **STAMPED,
)

GROUP: CoherentLookup[GroupDocument] = CoherentLookup(
    name="group",
    model=Group,
    identifier_field="id",
    key_pattern="people:group:{}",
    rows=_groups,
    build=_of_row(lambda row: GroupDocument(row.id, tuple(row.permission_names))),
    decode=decoder(GroupDocument),
    columns=("id", "permission_names"),
    columns_read=frozenset({"id"}),
    further_parts=((Group.permissions.through, "group_id"),),
    **OF_PEOPLE,
)

SIGN_IN: CoherentLookup[SignInDocument] = CoherentLookup(
    name="sign_in",
    model=SignIn,
    identifier_field="id",
    key_pattern="people:sign_in:{}",
    rows=lambda identifiers: SignIn.objects.filter(id__in=identifiers),
    build=_of_row(lambda row: SignInDocument(str(row.id), row.user_id)),
    decode=decoder(SignInDocument),
    columns=("id", "user_id"),
    columns_read=frozenset({"id", "user", "user_id"}),
    created=False,  # nobody can have looked up a random id before it was issued
    **STAMPED,
)

NAME: CoherentLookup[NameDocument] = CoherentLookup(
    name="person_name",
    model=User,
    identifier_field="username",
    key_pattern="people:name:{}",
    rows=lambda names: User.objects.filter(username__in=names),
    build=_of_row(lambda row: NameDocument(row.username, row.id)),
    missing=lambda name: NameDocument(name, None),
    decode=decoder(NameDocument),
    columns=("id", "username"),
    columns_read=frozenset({"id", "username"}),
    write_through=False,
    **STAMPED,
)

TOKEN_END: CoherentLookup[TokenEndDocument] = CoherentLookup(
    name="token_end",
    model=TokenEnd,
    identifier_field="name",
    key_pattern="people:token_end:{}",
    rows=lambda names: TokenEnd.objects.filter(name__in=names),
    build=_of_row(lambda row: TokenEndDocument(row.name, row.ended_ts.timestamp())),
    missing=lambda name: TokenEndDocument(name, None),
    decode=decoder(TokenEndDocument),
    columns=("name", "ended_ts"),
    write_through=False,
    **STAMPED,
)

for lookup in (PERSON, GROUP, SIGN_IN, NAME, TOKEN_END):
    lookup.register()


def is_sign_in_id(text: str) -> bool:
    """Whether `text` can be the id of a login, in our spelling."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
