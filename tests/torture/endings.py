"""People, and the ways to end what they may do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.torture.tokens import Token


class Login(NamedTuple):
    """A login by the API that has not ended; `token` is its access token."""

    refresh: Any
    token: Token

    @property
    def number(self) -> str:
        """The primary key of its row."""
        from pmo.people.tokens import CLAIM

        return str(self.refresh[CLAIM])


class Person(NamedTuple):
    """Somebody with logins."""

    user: Any
    logins: list[Login]


def make_person(rights: list[int]) -> Person:
    """Somebody with a login for each of these numbers."""
    from django.contrib.auth.models import User

    from pmo.people.tokens import sign_in

    password = f"!{rights[0]}"  # no hash: it takes long to make
    user = User.objects.create(username=f"person-{rights[0]}", password=password)
    logins = []
    for right in rights:
        refresh = sign_in(user)
        logins.append(Login(refresh, Token(right, str(refresh.access_token))))
    return Person(user, logins)


def permit(person: Person, *, by_group: bool) -> Any:
    """Let somebody change entity types, by a group (which is returned) or by themselves."""
    from django.contrib.auth.models import Group, Permission

    permission = Permission.objects.get(codename="change_entity")
    if not by_group:
        person.user.user_permissions.add(permission)
        return None
    group = Group.objects.create(name=f"group of {person.user.username}")
    group.permissions.add(permission)
    person.user.groups.add(group)
    return group


def deactivate(person: Person) -> None:
    person.user.is_active = False
    person.user.save()


def deactivate_by_query(person: Person) -> None:
    from django.contrib.auth.models import User

    User.objects.filter(pk=person.user.pk).update(is_active=False)


def _sign_out_and_deactivate(person: Person) -> None:
    from django.db import transaction

    with transaction.atomic():
        person.user.signin_set.all().delete()
        deactivate(person)


def _set_password(person: Person) -> None:
    person.user.password += "!"
    person.user.save()


def _sign_out(login: Login) -> None:
    from pmo.models import SignIn

    SignIn.objects.get(id=login.number).delete()


ENDS_OF_LOGINS: dict[str, Callable[[Login], Any]] = {"sign-out": _sign_out}
ENDS_OF_PEOPLE: dict[str, Callable[[Person], Any]] = {
    "sign-out-all": lambda person: person.user.signin_set.all().delete(),
    "deactivate": deactivate,
    "deactivate-atomic": _sign_out_and_deactivate,
    "deactivate-update": deactivate_by_query,
    "password": _set_password,
    "delete": lambda person: person.user.delete(),
}
ENDS_OF_PERMISSIONS: dict[str, Callable[[Person, Any], Any]] = {
    "leave-group": lambda person, group: person.user.groups.remove(group),
    "empty-group": lambda _, group: group.permissions.clear(),
    "delete-group": lambda _, group: group.delete(),
    "lose-permission": lambda person, _: person.user.user_permissions.clear(),
}
SQL_FOR_LOGINS = {"raw-sign-out": "DELETE FROM sign_in WHERE id = %s"}
SQL_FOR_PEOPLE = {
    "raw-deactivate": "UPDATE auth_user SET is_active = false WHERE id = %s",
    "raw-password": "UPDATE auth_user SET password = '!' WHERE id = %s",
}
