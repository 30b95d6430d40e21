"""The kinds of writes. Each notes a version before it begins and what became of it afterwards."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
from django.db import connection, transaction

from entities.models import Entity
from tests.stage import connection_to, send
from tests.torture.orders import Orders
from tests.torture.records import ACKNOWLEDGED, WriteLog, label_of


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
        self._operations = [self._save, self._save_in_transaction]
        if "bulk" in orders.plan.faults:
            self._operations += [self._update, self._bulk_update]
        if "rollback" in orders.plan.faults:
            self._operations += [self._roll_back, self._roll_back_savepoint]
        if "long" in orders.plan.faults:
            self._operations += [self._change_for_long]

    def write(self) -> None:
        self.random.choice(self._operations)()

    def _save(self) -> None:
        keys = self.choose()
        with self.noted(keys, "save") as label:
            self._change(keys[0], label)

    def _save_in_transaction(self) -> None:
        keys = self.choose(2)
        with self.noted(keys, "atomic") as label, transaction.atomic():
            for key in keys:
                self._change(key, label)

    def _update(self) -> None:
        keys = self.choose(3)
        with self.noted(keys, "update") as label:
            Entity.objects.filter(code__in=[self.codes[key] for key in keys]).update(label=label)

    def _bulk_update(self) -> None:
        keys = self.choose(3)
        with self.noted(keys, "bulk_update") as label:
            rows = list(Entity.objects.filter(code__in=[self.codes[key] for key in keys]).order_by("code"))
            for row in rows:
                row.label = label
            Entity.objects.bulk_update(rows, ["label"])

    def _roll_back(self) -> None:
        keys = self.choose(2)
        with self.noted(keys, "rollback") as label, transaction.atomic():
            for key in keys:
                self._change(key, label)
            raise RolledBack

    def _roll_back_savepoint(self) -> None:
        """The outer change of a row is committed, the inner one of the same row is not."""
        keys = self.choose()
        with self.noted(keys, "savepoint") as label, transaction.atomic():
            self._change(keys[0], label)
            with self.noted(keys, "rollback", within=True) as inner, transaction.atomic():
                self._change(keys[0], inner)
                raise RolledBack
            if transaction.get_rollback():  # its session is gone: Django says nothing, and commits nothing
                raise ConnectionError("the savepoint could not be rolled back")

    def _change_for_long(self) -> None:
        keys = self.choose()
        with self.noted(keys, "long") as label, transaction.atomic():
            self._change(keys[0], label)
            self.outlive_the_hold()

    def _change(self, key: int, label: str) -> None:
        row = Entity.objects.get(code=self.codes[key])
        row.label = label
        row.save()


class RawWriter(Writer):
    """SQL that Django never hears of: by psql, by a driver, of one row or several, committed or rolled back."""

    def __init__(self, orders: Orders, log: WriteLog, seed: str, version: int) -> None:
        super().__init__(orders, log, seed, version)
        self._psql: subprocess.Popen[str] | None = None

    def write(self) -> None:
        self.random.choice([self._by_psql, self._by_driver, self._by_driver_rolled_back])()

    def close(self) -> None:
        super().close()
        if self._psql is not None:
            self._psql.kill()
            self._psql.communicate()
            self._psql = None

    def _by_psql(self) -> None:
        if self._psql is None:
            command = [self.orders.psql, "-XAtq", "-v", "ON_ERROR_STOP=1", self.orders.database_url]
            self._psql = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
            )
        keys = self.choose()
        with self.noted(keys, "raw-psql") as label:
            self._psql.stdin.write(f"{self._statement(keys, label)};\n\\echo done\n")
            self._psql.stdin.flush()
            if self._psql.stdout.readline() != "done\n":
                raise ConnectionError("psql ended")

    def _by_driver(self) -> None:
        keys = self.choose(self.random.choice([1, 1, 3]))
        with self.noted(keys, "raw-driver") as label:
            self.execute(self._statement(keys, label))

    def _by_driver_rolled_back(self) -> None:
        keys = self.choose()
        with self.noted(keys, "raw-rollback") as label:
            self.execute(f"BEGIN; {self._statement(keys, label)}; ROLLBACK")
            raise RolledBack

    def _statement(self, keys: list[int], label: str) -> str:
        codes = ", ".join(f"'{self.codes[key]}'" for key in keys)
        return (
            f"WITH locked AS (SELECT code FROM app.entity WHERE code IN ({codes}) ORDER BY code FOR UPDATE)"
            f" UPDATE app.entity SET label = '{label}' FROM locked WHERE entity.code = locked.code"
        )
