"""
Processes that run the project's real code one step at a time.

Each is a thread with a database session and a memory of its own. It stops before everything that others can notice,
says what it is about to do, and goes on when it is told to: one at a time, so that every interleaving can be had, and
had again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from django.db import OperationalError, connections
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from cache_layer.memory import pending
from tests.interleavings.doing import (
    NEED_THE_ROW,
    NEXT_LABEL,
    Doing,
    Order,
    doing_in_redis,
    doing_in_sql,
    in_words,
)
from tests.interleavings.memory import Memory
from tests.interleavings.sessions import CommitRefused, LateCommit, LostSession

if TYPE_CHECKING:
    from tests.interleavings.world import World

STUCK_SECONDS = 60


class Killed(BaseException):
    """This process was killed: it does nothing any more."""


class Process(threading.Thread):
    """
    One process.

    Attributes:
        own_memory: it may share another's instead.
        about_to: what it does when it goes on; None if it is idle.
        answer: what Redis said to its last command, in words.
        in_transaction: it has a transaction open.
        has_row: its transaction keeps others from changing the row.
        version: the place in commit order of what it committed in this action.
        is_dying: it was killed, and does nothing any more.
        leaves_holds: it ended an action with holds in place, to be released by its next.
        schema_version: of the documents it serves.
        is_of_later_release: its documents have a member that those of others lack.
        swallowed: an error that Django only logs.
        has_missed_the_database: it could not be asked, in this action.
    """

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name=name, daemon=True)
        self.own_memory = Memory()
        self.about_to: Doing | None = None
        self.answer = ""
        self.in_transaction = False
        self.has_row = False
        self.version: int | None = None
        self.label = ""
        self.result: Any = None
        self.error: BaseException | None = None
        self.swallowed: Exception | None = None
        self.leaves_holds = False
        self.schema_version = 1
        self.is_of_later_release = False
        self.has_missed_the_database = False
        self.world = world
        self.is_dying = False
        self._has_looked = False
        self._script = "", ""
        self._orders: SimpleQueue[Any] = SimpleQueue()
        self._reports: SimpleQueue[Doing | None] = SimpleQueue()
        self.start()

    @property
    def memory(self) -> Memory:
        return self.world.memory_of(self.name)

    # Called by the test

    def begin(self, action: Callable[[Process], Any]) -> None:
        """Start an action; it stops before its first noticeable step, if it has one."""
        self.result = self.error = self.version = self.swallowed = None
        self.has_missed_the_database = False
        self._has_looked = False
        self._resume(action)

    def go_on(self, order: Order = Order.GO) -> None:
        """Take the step it is about to take, up to the next or to the end of the action."""
        self._resume(order)

    def end(self) -> None:
        """Let the thread end."""
        if self.about_to is not None:
            self.go_on(Order.DIE)
        self._orders.put(None)
        self.join(STUCK_SECONDS)

    def _resume(self, order: Any) -> None:
        self.answer = ""
        self.memory.enter()
        self._orders.put(order)
        self.about_to = self._reports.get(timeout=STUCK_SECONDS)

    # Called by the code under test, in this process

    def runs_redis(self, command: Callable[[], Any]) -> Any:
        """Stands around each exchange with Redis."""
        server, (script, holder) = self.world.server, self._script
        doing = doing_in_redis(command, script)
        order = Order.GO
        if doing is not None and (doing is not Doing.LOOK or self._has_looked):
            order = self.stop(doing)
        self._has_looked = True
        if doing is Doing.HOLD:
            self.world.note_holder(self, holder)
        if server.is_down:
            try:
                raise ConnectionRefusedError
            except ConnectionRefusedError:
                raise RedisConnectionError("refused")  # noqa: B904 - its context is how redis-py tells it
        if order is Order.COMMAND_IS_LATE:
            server.late_commands.append(command)
            server.drop_connections()
            raise RedisTimeoutError("no answer; the command runs later")
        server.has_changed = server.has_changed or server.reconnects or doing is not Doing.LOOK
        answer = command()
        server.reconnects = False
        if order in (Order.ANSWER_IS_LATE, Order.CONNECTION_DROPS):
            server.drop_connections()
            failed = RedisTimeoutError if order is Order.ANSWER_IS_LATE else RedisConnectionError
            raise failed("no answer; the command has run")
        self.answer = in_words(doing, answer)
        return answer

    def runs_script(self, run: Callable[[], Any], script: str, first_argument: str) -> Any:
        """Stands around each call of a Lua script."""
        before, self._script = self._script, (script, first_argument)
        try:
            return run()
        finally:
            self._script = before

    def runs_sql(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Stands around each SQL statement; Django calls it."""
        doing = doing_in_sql(sql, params, by_relay=self.name == "the relay")
        if doing is None:
            return execute(sql, params, many, context)
        if self.stop(doing) is Order.DATABASE_IS_AWAY:
            self.has_missed_the_database = True
            raise OperationalError("the server does not answer")
        self._has_looked = True
        if doing is Doing.CHANGE_ROW and NEXT_LABEL in (params or ()):
            self.label = self.world.next_label()
            params = tuple(self.label if param == NEXT_LABEL else param for param in params)
        result = execute(sql, params, many, context)
        if doing in NEED_THE_ROW and connections["default"].in_atomic_block:
            self.has_row = True
        elif doing is Doing.CHANGE_ROW:
            self.world.committed(self)
        return result

    def commits(self, commit: Callable[[], None]) -> None:
        """Stands around COMMIT, after the drain."""
        if not self.has_row:  # nothing of interest in it
            return commit()
        order = self.stop(Doing.COMMIT)
        if order is Order.COMMIT_IS_REFUSED:
            raise CommitRefused("refused at commit")
        if order is Order.COMMIT_IS_LATE:
            session: Any = connections["default"]
            self.world.late_commits.append(
                LateCommit(session.connection, is_held=not self.world.oracle.is_disturbing(self.name))
            )
            session.connection = LostSession()
        commit()
        return self.world.committed(self)

    def drains(self, seconds: float) -> None:
        """Stands for the sleep of a drain."""
        wait = self.world.until(seconds)
        self.stop(Doing.DRAIN)
        wait()

    def stop(self, doing: Doing) -> Order:
        """Give others their turn."""
        if self.is_dying:
            raise Killed
        session: Any = connections["default"]
        self.in_transaction = session.connection is not None and not session.autocommit
        self.has_row = self.has_row and self.in_transaction
        self._reports.put(doing)
        order: Order = self._orders.get()
        if order is Order.DIE:
            self.is_dying = True
            if session.connection is not None:
                session.connection.close()
            raise Killed
        return order

    def run(self) -> None:
        """One action after the other."""
        self._open_session()
        while (action := self._orders.get()) is not None:
            try:
                self.result = action(self)
            except BaseException as error:  # whatever it is, the test judges it
                self.error = error
            self.error = self.swallowed or self.error
            if self.is_dying:
                self._be_born_again()
            self.in_transaction = self.has_row = False
            self.leaves_holds = pending.find_write("default") is not None
            self._reports.put(None)
        connections.close_all()

    def _open_session(self) -> None:
        connection: Any = connections["default"]
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit TO off")  # nothing here outlives a power cut
        connection.execute_wrappers.append(self.runs_sql)

    def _be_born_again(self) -> None:
        self.is_dying = False
        self.own_memory.forget()
        pending._writes.unreleased.clear()
        connections["default"].close()
        del connections["default"]
        self._open_session()


def current_process() -> Process | None:
    """The process whose code runs here; None in the test itself."""
    thread = threading.current_thread()
    return thread if isinstance(thread, Process) else None
