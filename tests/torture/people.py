"""The writer that ends what people may do: their tokens, while readers read with them, and their permissions."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from time import monotonic_ns
from typing import Any

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
from tests.torture.operations import ANSWER_LIMIT_SECONDS, HttpRefused, RolledBack, Writer, patch_label
from tests.torture.plan import QUIET_CODE
from tests.torture.records import WriteLog, label_of
from tests.torture.uses import Use
from tests.torture.writer_orders import Orders

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
        if "raw" in orders.faults:
            self._of_logins += SQL_FOR_LOGINS
            self._of_people += SQL_FOR_PEOPLE
        if "long" in orders.faults:
            self._of_people.append("deactivate-long")
        self._asked = -1
        self._connection: Any = None

    def write(self) -> None:
        rights = [self._next_right() for _ in range(self.random.choice(LOGINS))]
        try:
            person = make_person(rights)
        except Exception:  # nobody has heard of this person
            self.recover()
            return
        for login in person.logins:
            login.token.hand_over(Path(self.orders.tokens))
        if self.random.random() < PERMISSION_SHARE:
            self._end_permission(person)
        if "rollback" in self.orders.faults and self.random.random() < ROLLBACK_SHARE:
            self._roll_back(person)
        while person.logins:
            time.sleep(self.random.uniform(*READ_SECONDS))
            kind = self.random.choice([*self._of_logins, *self._of_people])
            if kind in self._of_logins:
                self._end_login(person.logins.pop(), kind)
            else:
                self._end_all(person, kind)
                return

    def recover(self) -> None:
        self.close()
        time.sleep(0.05)

    def close(self) -> None:
        from django.db import connection

        for each in filter(None, (connection, self._connection)):
            with contextlib.suppress(Exception):
                each.close()
        self._connection = None

    def _next_right(self) -> int:
        self.version += 1
        return self.version

    # --- Tokens ---

    def _end_login(self, login: Login, kind: str) -> None:
        self._asked = self.random.randrange(len(self.orders.ports)) if kind == "logout" else -1
        with self.noted([login.token.right], kind, self._asked):
            if kind == "logout":
                self._log_out(login)
            elif kind in SQL_FOR_LOGINS:
                self._execute(SQL_FOR_LOGINS[kind], login.number)
            else:
                ENDS_OF_LOGINS[kind](login)

    def _end_all(self, person: Person, kind: str) -> None:
        with self.noted([login.token.right for login in person.logins], kind):
            if kind == "deactivate-long":
                self._deactivate_for_long(person)
            elif kind in SQL_FOR_PEOPLE:
                self._execute(SQL_FOR_PEOPLE[kind], person.user.pk)
            else:
                ENDS_OF_PEOPLE[kind](person)

    def _log_out(self, login: Login) -> None:
        with self._connected(self._asked) as connection:
            body = json.dumps({"refresh": str(login.refresh)})
            connection.request("POST", "/api/v1/auth/logout", body, {"Content-Type": "application/json"})
            status = connection.getresponse().status
        if status != 204:
            raise HttpRefused(f"{status}")

    def _deactivate_for_long(self, person: Person) -> None:
        from django.db import transaction

        with transaction.atomic():
            deactivate(person)
            time.sleep(self.orders.hold_ms / 1000 * self.random.uniform(1.05, 1.5))

    def _roll_back(self, person: Person) -> None:
        """What would have ended the tokens, and does not happen."""
        from django.db import transaction

        try:
            with contextlib.suppress(RolledBack), transaction.atomic():
                deactivate_by_query(person)
                raise RolledBack
        except Exception:  # nothing can have been committed
            self.recover()

    def _execute(self, sql: str, number: Any) -> None:
        import psycopg

        if self._connection is None:
            self._connection = psycopg.connect(self.orders.database_url, autocommit=True)
        self._connection.execute(sql, [number])

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
        for server in range(len(self.orders.ports)):
            started = monotonic_ns()
            try:
                with self._connected(server) as connection:
                    status, _ = patch_label(connection, token.text, QUIET_CODE, label_of(right))
            except (OSError, http.client.HTTPException):
                continue
            if status in (200, 401, 403):
                used = token.right if status == 401 else right
                self.log.use(Use(used, started, monotonic_ns(), server, accepted=status == 200))

    @contextlib.contextmanager
    def _connected(self, server: int) -> Iterator[http.client.HTTPConnection]:
        port = self.orders.ports[server]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_LIMIT_SECONDS)
        with contextlib.closing(connection):
            yield connection
