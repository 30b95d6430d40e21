"""
The platform's own tables: API logins, and when somebody's sign-on tokens were ended.

The proxies add triggers to Django's tables, so that changes of users that bypass Django are noticed.
"""

import uuid

from django.contrib.auth.models import Group, User
from django.db import models

from cache_layer import CoherentManager, coherence_triggers


class SignIn(models.Model):
    """
    One API login, stored while its tokens may be used; without this row they are invalid.

    The tokens themselves are not stored, so reading this table yields none.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(User, models.CASCADE)
    newest = models.CharField(max_length=32, help_text="The id of the refresh token that may be used next.")
    expires_ts = models.DateTimeField()

    objects = CoherentManager()

    class Meta:
        db_table = "sign_in"
        default_permissions = ()
        triggers = coherence_triggers(db_table, field="id", column="id", only=("id", "user"), created=False)

    def __str__(self) -> str:
        return f"{self.user}, until {self.expires_ts}"


class TokenEnd(models.Model):
    """Sign-on tokens of this name issued until then are no longer valid."""

    name = models.CharField(max_length=255, primary_key=True)
    ended_ts = models.DateTimeField()

    objects = CoherentManager()

    class Meta:
        db_table = "token_end"
        default_permissions = ()
        triggers = coherence_triggers(db_table, field="name", column="name")

    def __str__(self) -> str:
        return f"{self.name}, until {self.ended_ts}"


PERSON_FIELDS = ("id", "username", "password", "is_active", "is_staff", "is_superuser")
"""The fields of a user that are cached, or that cached documents are made from."""


class OfDjango:
    """The options of a proxy that only adds triggers."""

    proxy = True
    default_permissions = ()


class Person(User):
    class Meta(OfDjango):
        triggers = coherence_triggers("auth_user", field="id", column="id", only=PERSON_FIELDS)


class PersonName(User):
    class Meta(OfDjango):
        triggers = coherence_triggers(
            "auth_user", field="username", column="username", only=("id", "username"), suffix="_by_name"
        )


class Membership(User.groups.through):  # type: ignore[misc, name-defined] # Django makes it
    class Meta(OfDjango):
        triggers = coherence_triggers("auth_user_groups", field="user_id", column="user_id")


class PersonPermission(User.user_permissions.through):  # type: ignore[misc, name-defined] # as above
    class Meta(OfDjango):
        triggers = coherence_triggers("auth_user_user_permissions", field="user_id", column="user_id")


class PersonGroup(Group):
    class Meta(OfDjango):
        triggers = coherence_triggers("auth_group", field="id", column="id", only=("id",))


class GroupPermission(Group.permissions.through):  # type: ignore[misc, name-defined] # as above
    class Meta(OfDjango):
        triggers = coherence_triggers("auth_group_permissions", field="group_id", column="group_id")
