"""The writer that ends what people may do: their tokens, while readers read with them, and their permissions."""

from __future__ import annotations

import contextlib
import http.client
import time
from time import monotonic_ns

from django.db import transaction

from tests.stage import ask
from tests.torture.endings import (
    ENDS_OF_LOGINS,
    ENDS_OF_PEOPLE,
    ENDS_OF_PERMISSIONS,
    SQL_FOR_LOGINS,
    SQL_FOR_PEOPLE,
    Login,
    Person,
    deactivate,
    deactivate_by_query,
    make_person,
    permit,
)
from tests.torture.operations import HttpRefused, RolledBack, Writer
from tests.torture.orders import Orders
from tests.torture.plan import QUIET_CODE
from tests.torture.records import Use, WriteLog, label_of

READ_SECONDS = (0.15, 0.4)
"""For how long readers read with a token before it ends."""
LOGINS = (1, 1, 1, 2)
"""How many somebody has."""
PERMISSION_SHARE, ROLLBACK_SHARE = 0.2, 0.15


class PeopleWriter(Writer):
    """
    Makes somebody with logins, hands the tokens to the readers, and ends them while they are read with.

    The `key` of these writes is the number of the right that ends.
    """

    def __init__(self, orders: Orders, log: WriteLog, seed: str, version: int) -> None:
        super().__init__(orders, log, seed, version)
        self._of_logins = ["logout", *ENDS_OF_LOGINS]
        self._of_people = [*ENDS_OF_PEOPLE]
        if "raw" in orders.plan.faults:
            self._of_logins += SQL_FOR_LOGINS
            self._of_people += SQL_FOR_PEOPLE
        if "long" in orders.plan.faults:
            self._of_people.append("deactivate-long")

    def write(self) -> None:
        rights = [self._next_right() for _ in range(self.random.choice(LOGINS))]
        try:
            person = make_person(rights)
        except Exception:  # nobody has heard of this person
            self.recover()
            return
        for login in person.logins:
            login.token.hand_over(self.orders.tokens)
        if self.random.random() < PERMISSION_SHARE:
            self._end_permission(person)
        if "rollback" in self.orders.plan.faults and self.random.random() < ROLLBACK_SHARE:
            self._roll_back(person)
        while person.logins:
            time.sleep(self.random.uniform(*READ_SECONDS))
            kind = self.random.choice([*self._of_logins, *self._of_people])
            if kind in self._of_logins:
                self._end_login(person.logins.pop(), kind)
            else:
                self._end_all(person, kind)
                return

    def _next_right(self) -> int:
        self.version += 1
        return self.version

    # --- Tokens ---

    def _end_login(self, login: Login, kind: str) -> None:
        server = self.random.randrange(len(self.orders.ports)) if kind == "logout" else -1
        with self.noted([login.token.right], kind, server):
            if kind == "logout":
                self._log_out(login, server)
            elif kind in SQL_FOR_LOGINS:
                self.execute(SQL_FOR_LOGINS[kind], [login.number])
            else:
                ENDS_OF_LOGINS[kind](login)

    def _end_all(self, person: Person, kind: str) -> None:
        with self.noted([login.token.right for login in person.logins], kind):
            if kind == "deactivate-long":
                self._deactivate_for_long(person)
            elif kind in SQL_FOR_PEOPLE:
                self.execute(SQL_FOR_PEOPLE[kind], [person.user.pk])
            else:
                ENDS_OF_PEOPLE[kind](person)

    def _log_out(self, login: Login, server: int) -> None:
        answer = ask(self.orders.ports[server], "POST", "/api/v1/auth/logout", body={"refresh": str(login.refresh)})
        if answer.status != 204:
            raise HttpRefused(f"{answer.status}")

    def _deactivate_for_long(self, person: Person) -> None:
        with transaction.atomic():
            deactivate(person)
            self.outlive_the_hold()

    def _roll_back(self, person: Person) -> None:
        """What would have ended the tokens, and does not happen."""
        try:
            with contextlib.suppress(RolledBack), transaction.atomic():
                deactivate_by_query(person)
                raise RolledBack
        except Exception:  # nothing can have been committed
            self.recover()

    # --- Permissions ---

    def _end_permission(self, person: Person) -> None:
        """Give a permission, use it on every server, take it away, and try to use it again."""
        kind = self.random.choice(list(ENDS_OF_PERMISSIONS))
        try:
            group = permit(person, by_group=kind != "lose-permission")
        except Exception:  # in doubt: nothing was promised
            self.recover()
            return
        right = self._next_right()
        self._use_everywhere(right, person)
        with self.noted([right], kind):
            ENDS_OF_PERMISSIONS[kind](person, group)
        self._use_everywhere(right, person)

    def _use_everywhere(self, right: int, person: Person) -> None:
        token = person.logins[0].token
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
