"""The writer that ends what people may do: their tokens, while readers read with them, and their permissions."""

from __future__ import annotations

import contextlib
import http.client
import time
from time import monotonic_ns
from typing import Any, NamedTuple

from django.contrib.auth.models import Group, Permission, User
from django.db import transaction

from pmo.models import SignIn
from pmo.people.tokens import CLAIM, sign_in
from tests.stage import ask
from tests.torture.operations import HttpRefused, RolledBack, Writer
from tests.torture.orders import Orders
from tests.torture.plan import QUIET_CODE
from tests.torture.records import Use, WriteLog, label_of
from tests.torture.tokens import Token

READ_SECONDS = (0.15, 0.4)
"""For how long readers read with a token before it ends."""
LOGINS = (1, 1, 1, 2)
"""How many somebody has."""
PERMISSION_SHARE, ROLLBACK_SHARE = 0.2, 0.15

ENDS_OF_LOGINS = ("logout", "sign-out", "raw-sign-out")
ENDS_OF_PEOPLE = (
    *("sign-out-all", "deactivate", "deactivate-atomic", "deactivate-update", "password", "delete"),
    *("deactivate-long", "raw-deactivate", "raw-password"),
)
ENDS_OF_PERMISSIONS = ("leave-group", "empty-group", "delete-group", "lose-permission")


class Login(NamedTuple):
    """A login by the API that has not ended; `token` is its access token."""

    refresh: Any
    token: Token

    @property
    def number(self) -> str:
        """The primary key of its row."""
        return str(self.refresh[CLAIM])


class PeopleWriter(Writer):
    """
    Makes somebody with logins, hands the tokens to the readers, and ends them while they are read with.

    The `key` of these writes is the number of the right that ends.
    """

    def __init__(self, orders: Orders, log: WriteLog, seed: str, version: int) -> None:
        super().__init__(orders, log, seed, version)
        self._ends = [
            kind
            for kind in (*ENDS_OF_LOGINS, *ENDS_OF_PEOPLE)
            if ("raw" in orders.plan.faults or not kind.startswith("raw-"))
            and ("long" in orders.plan.faults or not kind.endswith("-long"))
        ]

    def write(self) -> None:
        rights = [self._next_right() for _ in range(self.random.choice(LOGINS))]
        try:
            user, logins = make_person(rights)
        except Exception:  # nobody has heard of this person
            self.recover()
            return
        for login in logins:
            login.token.hand_over(self.orders.tokens)
        if self.random.random() < PERMISSION_SHARE:
            self._end_permission(user, logins[0].token)
        if "rollback" in self.orders.plan.faults and self.random.random() < ROLLBACK_SHARE:
            self._roll_back(user)
        while logins:
            time.sleep(self.random.uniform(*READ_SECONDS))
            kind = self.random.choice(self._ends)
            if kind in ENDS_OF_LOGINS:
                self._end_login(logins.pop(), kind)
            else:
                self._end_all(user, logins, kind)
                return

    def _next_right(self) -> int:
        self.version += 1
        return self.version

    # --- Tokens ---

    def _end_login(self, login: Login, kind: str) -> None:
        server = self.random.randrange(len(self.orders.ports)) if kind == "logout" else -1
        with self.noted([login.token.right], kind, server):
            match kind:
                case "logout":
                    body = {"refresh": str(login.refresh)}
                    answer = ask(self.orders.ports[server], "POST", "/api/v1/auth/logout", body=body)
                    if answer.status != 204:
                        raise HttpRefused(f"{answer.status}")
                case "sign-out":
                    SignIn.objects.get(id=login.number).delete()
                case "raw-sign-out":
                    self.execute("DELETE FROM sign_in WHERE id = %s", [login.number])

    def _end_all(self, user: Any, logins: list[Login], kind: str) -> None:
        with self.noted([login.token.right for login in logins], kind):
            match kind:
                case "sign-out-all":
                    user.signin_set.all().delete()
                case "deactivate":
                    deactivate(user)
                case "deactivate-atomic":
                    with transaction.atomic():
                        user.signin_set.all().delete()
                        deactivate(user)
                case "deactivate-update":
                    User.objects.filter(pk=user.pk).update(is_active=False)
                case "deactivate-long":
                    with transaction.atomic():
                        deactivate(user)
                        self.outlive_the_hold()
                case "password":
                    user.password += "!"
                    user.save()
                case "delete":
                    user.delete()
                case "raw-deactivate":
                    self.execute("UPDATE auth_user SET is_active = false WHERE id = %s", [user.pk])
                case "raw-password":
                    self.execute("UPDATE auth_user SET password = '!' WHERE id = %s", [user.pk])

    def _roll_back(self, user: Any) -> None:
        """What would have ended the tokens, and does not happen."""
        try:
            with contextlib.suppress(RolledBack), transaction.atomic():
                User.objects.filter(pk=user.pk).update(is_active=False)
                raise RolledBack
        except Exception:  # nothing can have been committed
            self.recover()

    # --- Permissions ---

    def _end_permission(self, user: Any, token: Token) -> None:
        """Give a permission, use it on every server, take it away, and try to use it again."""
        kind = self.random.choice(ENDS_OF_PERMISSIONS)
        try:
            group = permit(user, by_group=kind != "lose-permission")
        except Exception:  # in doubt: nothing was promised
            self.recover()
            return
        right = self._next_right()
        self._use_everywhere(right, token)
        with self.noted([right], kind):
            match kind:
                case "leave-group":
                    user.groups.remove(group)
                case "empty-group":
                    group.permissions.clear()
                case "delete-group":
                    group.delete()
                case "lose-permission":
                    user.user_permissions.clear()
        self._use_everywhere(right, token)

    def _use_everywhere(self, right: int, token: Token) -> None:
        for server, port in enumerate(self.orders.ports):
            started = monotonic_ns()
            try:
                body = {"label": label_of(right)}
                status = ask(port, "PATCH", f"/api/v1/entity/{QUIET_CODE}", token.text, body).status
            except (OSError, http.client.HTTPException):
                continue
            if status in (200, 401, 403):
                used = token.right if status == 401 else right
                self.log.use(Use(used, started, monotonic_ns(), server, accepted=status == 200))


def make_person(rights: list[int]) -> tuple[Any, list[Login]]:
    """Somebody with a login for each of these numbers."""
    password = f"!{rights[0]}"  # no hash: it takes long to make
    user = User.objects.create(username=f"person-{rights[0]}", password=password)
    refreshing = [sign_in(user) for _ in rights]
    return user, [
        Login(refresh, Token(right, str(refresh.access_token)))
        for right, refresh in zip(rights, refreshing, strict=True)
    ]


def permit(user: Any, *, by_group: bool) -> Any:
    """Let somebody change entity types, by a group (which is returned) or by themselves."""
    permission = Permission.objects.get(codename="change_entity")
    if not by_group:
        user.user_permissions.add(permission)
        return None
    group = Group.objects.create(name=f"group of {user.username}")
    group.permissions.add(permission)
    user.groups.add(group)
    return group


def deactivate(user: Any) -> None:
    user.is_active = False
    user.save()
