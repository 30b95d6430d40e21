"""The kinds of writes. Each notes a version before it begins and what became of it afterwards."""

import contextlib
import json
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from django.db import connection, transaction

from entities.models import Entity
from tests.stage import connection_to, send
from tests.torture.orders import Orders
from tests.torture.records import ACKNOWLEDGED, WriteLog, label_of

MOST_KEYS = {"atomic": 2, "update": 3, "bulk_update": 3, "rollback": 2}


class RolledBack(Exception):
    """Raised to undo a transaction on purpose."""


class Writer:
    """What is common: versions, keys, and the notes."""

    def __init__(self, orders: Orders, log: WriteLog, seed: str, version: int) -> None:
        self.orders, self.log = orders, log
        self.codes = orders.plan.codes
        self.random = random.Random(seed)
        self.version = version
        self._connection: psycopg.Connection | None = None

    def write(self) -> None:
        """Write once. Whatever goes wrong is noted, not raised."""
        raise NotImplementedError

    def recover(self) -> None:
        """After a failure: whatever was connected may not be."""
        self.close()
        time.sleep(0.05)

    def close(self) -> None:
        """Leave nothing open."""
        for each in filter(None, (connection, self._connection)):
            with contextlib.suppress(Exception):
                each.close()
        self._connection = None

    def execute(self, sql: str, parameters: Sequence[Any] | None = None) -> None:
        """SQL that Django never hears of."""
        if self._connection is None:
            self._connection = psycopg.connect(self.orders.database_url, autocommit=True)
        self._connection.execute(sql, parameters)

    def outlive_the_hold(self) -> None:
        time.sleep(self.orders.plan.hold_ms / 1000 * self.random.uniform(1.05, 1.5))

    def choose(self, count: int = 1) -> list[int]:
        """Different keys in ascending order, so that writers of several don't lock each other out."""
        return sorted(self.random.sample(range(len(self.codes)), min(count, len(self.codes))))

    @contextlib.contextmanager
    def noted(self, keys: list[int], kind: str, server: int = -1, *, within: bool = False) -> Iterator[str]:
        """
        One version's life; yields its label.

        Args:
            within: another version's transaction, which fails as well if this one does.
        """
        self.version += 1
        version = self.version
        self.log.begin(keys, version, kind, server)
        try:
            yield label_of(version)
        except RolledBack:
            self.log.end(version, "rolled-back")
        except Exception as error:
            self.log.end(version, f"failed:{error if isinstance(error, HttpRefused) else type(error).__name__}")
            if within:
                raise
            self.recover()
        else:
            self.log.end(version, ACKNOWLEDGED)


class HttpRefused(Exception):
    """The server answered, but did not say that it wrote."""


class HttpWriter(Writer):
    """PATCH to any server, over connections that are kept open."""

    def __init__(self, orders: Orders, log: WriteLog, seed: str, version: int) -> None:
        super().__init__(orders, log, seed, version)
        self._servers = [connection_to(port) for port in orders.ports]
        self._asked = 0

    def write(self) -> None:
        self._asked = self.random.randrange(len(self._servers))
        keys = self.choose()
        with self.noted(keys, "patch", self._asked) as label:
            path, body = f"/api/v1/entity/{self.codes[keys[0]]}", {"label": label}
            answer = send(self._servers[self._asked], "PATCH", path, self.orders.token, body)
            if answer.status != 200:
                reason = json.loads(answer.body).get("code", "") if answer.body.startswith(b"{") else ""
                raise HttpRefused(f"{answer.status}:{reason}")

    def recover(self) -> None:
        self._servers[self._asked].close()  # it connects again when it is used
        time.sleep(0.05)


class OrmWriter(Writer):
    """Django's own ways to change rows, in a process without web server."""

    def __init__(self, orders: Orders, log: WriteLog, seed: str, version: int) -> None:
        super().__init__(orders, log, seed, version)
        faults = {"bulk": ["update", "bulk_update"], "rollback": ["rollback", "savepoint"], "long": ["long"]}
        asked_for = [kind for fault, kinds in faults.items() if fault in orders.plan.faults for kind in kinds]
        self._kinds = ["save", "atomic", *asked_for]

    def write(self) -> None:
        kind = self.random.choice(self._kinds)
        keys = self.choose(MOST_KEYS.get(kind, 1))
        rows = Entity.objects.filter(code__in=[self.codes[key] for key in keys]).order_by("code")
        with self.noted(keys, kind) as label:
            match kind:
                case "save":
                    self._change(keys, label)
                case "update":
                    rows.update(label=label)
                case "bulk_update":
                    changed = list(rows)
                    for row in changed:
                        row.label = label
                    Entity.objects.bulk_update(changed, ["label"])
                case _:
                    with transaction.atomic():
                        self._change(keys, label)
                        self._go_on(keys, kind)

    def _go_on(self, keys: list[int], kind: str) -> None:
        """In the transaction of a change."""
        match kind:
            case "rollback":
                raise RolledBack
            case "savepoint":  # the outer change of a row is committed, the inner one of the same row is not
                with self.noted(keys, "rollback", within=True) as inner, transaction.atomic():
                    self._change(keys, inner)
                    raise RolledBack
                if transaction.get_rollback():  # its session is gone: Django says nothing, and commits nothing
                    raise ConnectionError("the savepoint could not be rolled back")
            case "long":
                self.outlive_the_hold()

    def _change(self, keys: list[int], label: str) -> None:
        for key in keys:
            row = Entity.objects.get(code=self.codes[key])
            row.label = label
            row.save()


class RawWriter(Writer):
    """SQL that Django never hears of: of one row or several, committed or rolled back."""

    def write(self) -> None:
        kind = self.random.choice(["raw-driver", "raw-driver", "raw-rollback"])
        keys = self.choose(self.random.choice([1, 1, 3]) if kind == "raw-driver" else 1)
        codes = ", ".join(f"'{self.codes[key]}'" for key in keys)
        with self.noted(keys, kind) as label:
            statement = (
                f"WITH locked AS (SELECT code FROM app.entity WHERE code IN ({codes}) ORDER BY code FOR UPDATE)"
                f" UPDATE app.entity SET label = '{label}' FROM locked WHERE entity.code = locked.code"
            )
            if kind == "raw-driver":
                self.execute(statement)
            else:
                self.execute(f"BEGIN; {statement}; ROLLBACK")
                raise RolledBack
