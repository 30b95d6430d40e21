"""The writer that ends what people may do: their tokens, while readers read with them, and their permissions."""

import contextlib
import http.client
import time
from collections.abc import Callable
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
                with self.noted([login.token.right for login in logins], kind):
                    ENDS_OF_PEOPLE[kind](self, user)
                return

    def _next_right(self) -> int:
        self.version += 1
        return self.version

    # --- Tokens ---

    def _end_login(self, login: Login, kind: str) -> None:
        server = self.random.randrange(len(self.orders.ports)) if kind == "logout" else -1
        with self.noted([login.token.right], kind, server):
            if kind == "logout":
                body = {"refresh": str(login.refresh)}
                answer = ask(self.orders.ports[server], "POST", "/api/v1/auth/logout", body=body)
                if answer.status != 204:
                    raise HttpRefused(f"{answer.status}")
            elif kind == "sign-out":
                SignIn.objects.get(id=login.number).delete()
            else:
                self.execute("DELETE FROM sign_in WHERE id = %s", [login.number])

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
        kind = self.random.choice([*ENDS_OF_PERMISSIONS])
        try:
            group = permit(user, by_group=kind != "lose-permission")
        except Exception:  # in doubt: nothing was promised
            self.recover()
            return
        right = self._next_right()
        self._use_everywhere(right, token)
        with self.noted([right], kind):
            ENDS_OF_PERMISSIONS[kind](user, group)
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


def sign_out_and_deactivate(_: Writer, user: Any) -> None:
    with transaction.atomic():
        user.signin_set.all().delete()
        deactivate(user)


def deactivate_in_a_long_transaction(writer: Writer, user: Any) -> None:
    with transaction.atomic():
        deactivate(user)
        writer.outlive_the_hold()


def change_password(_: Writer, user: Any) -> None:
    user.password += "!"
    user.save()


def by_sql(assignment: str) -> Callable[[Writer, Any], object]:
    return lambda writer, user: writer.execute(f"UPDATE auth_user SET {assignment} WHERE id = %s", [user.pk])


ENDS_OF_LOGINS = ("logout", "sign-out", "raw-sign-out")
ENDS_OF_PEOPLE: dict[str, Callable[[Writer, Any], object]] = {
    "sign-out-all": lambda _, user: user.signin_set.all().delete(),
    "deactivate": lambda _, user: deactivate(user),
    "deactivate-atomic": sign_out_and_deactivate,
    "deactivate-update": lambda _, user: User.objects.filter(pk=user.pk).update(is_active=False),
    "deactivate-long": deactivate_in_a_long_transaction,
    "password": change_password,
    "delete": lambda _, user: user.delete(),
    "raw-deactivate": by_sql("is_active = false"),
    "raw-password": by_sql("password = '!'"),
}
ENDS_OF_PERMISSIONS: dict[str, Callable[[Any, Any], object]] = {
    "leave-group": lambda user, group: user.groups.remove(group),
    "empty-group": lambda _, group: group.permissions.clear(),
    "delete-group": lambda _, group: group.delete(),
    "lose-permission": lambda user, _: user.user_permissions.clear(),
}
