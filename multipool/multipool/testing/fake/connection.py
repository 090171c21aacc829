"""The fake driver's connection and cursor, with PEP 249's methods and psycopg's manners."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from types import TracebackType
from typing import Any, Self

from multipool.driver import (
    ACTIVE,
    CLIENT,
    IDLE,
    INERROR,
    INTRANS,
    SESSION,
    UNKNOWN,
    Pooled,
)
from multipool.testing.fake import sql as statements
from multipool.testing.fake.errors import (
    DatabaseError,
    Error,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from multipool.testing.fake.script import Call
from multipool.testing.fake.server import Backend, FakeServer, Notification
from multipool.watch.cursor import Observed, in_front, sight_of


class FakeCursor:
    """A cursor; its rows are in memory."""

    arraysize = 1

    def __init__(self, connection: _Connection) -> None:
        self.connection = connection
        self.closed = False
        self.description: list[tuple[Any, ...]] | None = None
        self.rowcount = -1
        self._rows: Iterator[tuple[Any, ...]] | None = None

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        """Run one statement. Raises `InterfaceError` on a closed cursor or connection."""
        if self.closed:
            raise InterfaceError("the cursor is closed already")
        rows = self.connection._execute(sql, parameters)
        self._rows = None if rows is None else iter(rows)
        self.rowcount = -1 if rows is None else len(rows)
        width = len(rows[0]) if rows else 0
        self.description = None if rows is None else [("?column?",) + (None,) * 6] * width
        return self

    def executemany(self, sql: str, sequence: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each of the parameters in *sequence*."""
        for parameters in sequence:
            self.execute(sql, parameters)

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, or None after the last. Raises if there is no result."""
        if self._rows is None:
            raise ProgrammingError("the last operation produced no result")
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        """Return at most *size* rows (None: ``arraysize``)."""
        size = self.arraysize if size is None else size
        return [row for _, row in zip(range(size), self, strict=False)]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows that are left."""
        return list(self)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.fetchone, None)

    def close(self) -> None:
        """Close the cursor; a second time is fine."""
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@cache
def observed(factory: type[Any]) -> type:
    """Return a subclass of the cursor class *factory* that tells what it executes."""
    return in_front(Observed, factory)


class _Connection:
    """A connection of the fake driver, as if no pool existed."""

    def __init__(self, server: FakeServer, backend: Backend) -> None:
        self._server = server
        self._backend = backend
        self._broken = False
        self._running = False
        self._autocommit = False
        self.closed = False
        self.isolation_level: str | None = None
        self.readonly: bool | None = None
        self.cursor_factory: Callable[[_Connection], FakeCursor] = FakeCursor
        #: Notifications that came.
        self.notifies: list[Notification] = []

    def __del__(self) -> None:
        # As libpq's clients do when they are collected: the socket goes, and nothing is said.
        if not self.closed:
            self._backend.wire.hang_up()
            self._server.lose(self._backend)

    # -- PEP 249 -----------------------------------------------------------------

    def cursor(self) -> FakeCursor:
        """Return a new cursor. Raises `InterfaceError` on a closed connection."""
        self._check_open()
        factory: Any = self.cursor_factory
        sight = sight_of(self)
        if sight is not None:
            sight.cursor_made()
            if isinstance(factory, type):
                factory = observed(factory)
        cursor: FakeCursor = factory(self)
        return cursor

    def commit(self) -> None:
        """Commit, if there is a transaction; a failed one is rolled back, as the server does."""
        self._check_open()
        if self._backend.transaction != IDLE:
            self._ask("commit")
            self._backend.transaction = IDLE

    def rollback(self) -> None:
        """Roll back, if there is a transaction."""
        self._check_open()
        if self._backend.transaction != IDLE:
            self._ask("rollback")
            self._backend.transaction = IDLE

    def close(self) -> None:
        """Close for good; a second time is fine."""
        if not self.closed:
            self.closed = True
            self._backend.wire.hang_up()
            self._server.close(self._backend)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.rollback()

    # -- extensions --------------------------------------------------------------

    @property
    def autocommit(self) -> bool:
        """Whether each statement is its own transaction. Cannot be set inside one."""
        return self._autocommit

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        self._check_open()
        if self._backend.transaction != IDLE:
            raise ProgrammingError("autocommit cannot be set inside a transaction")
        self._autocommit = value

    @property
    def status(self) -> int:
        """The transaction status, in libpq's numbers."""
        if self.closed or self._broken:
            return UNKNOWN
        return ACTIVE if self._running else self._backend.transaction

    @property
    def backend_pid(self) -> int:
        """The session's number on the server."""
        return self._backend.pid

    @property
    def settings(self) -> dict[str, str]:
        """The server's settings as last reported."""
        return self._backend.settings

    def fileno(self) -> int:
        """Return the socket's file descriptor, -1 after `close`."""
        return self._backend.wire.fileno()

    def cancel(self) -> None:
        """Interrupt the running query; from any thread. Raises `InterfaceError` when closed."""
        self._check_open()
        self._server.cancel(self._backend.pid)

    def drain(self) -> bool:
        """Take in what the server sent unasked; return whether the session lives."""
        if self.closed or self._broken:
            return False
        self._server.enter(Call("drain", self._backend))
        return self._take_in()

    def abandon(self) -> None:
        """Forget the session without a word; its socket is left to the parent process."""
        self.closed = True
        self._backend.wire.hang_up()

    def _take_in(self) -> bool:
        self._broken = not self._backend.wire.take_in()
        while self._backend.unread:
            self.notifies.append(self._backend.unread.popleft())
        return not self._broken

    def _execute(self, sql: str, parameters: Sequence[Any]) -> statements.Rows | None:
        self._check_open()
        if self._backend.transaction == INERROR and sql.lower() not in ("commit", "rollback"):
            raise ProgrammingError("current transaction is aborted", "25P02")
        if self._backend.transaction == IDLE and not self._autocommit:
            self._ask("begin")
            self._backend.transaction = INTRANS
        self._backend.interrupt.clear()
        self._running = True
        try:
            self._ask("execute", sql)
            rows = statements.run(self._server, self._backend, sql, parameters)
            self._check_alive()
            self._take_in()
        except Error:
            self._running = False
            if self._backend.transaction == INTRANS:
                self._backend.transaction = INERROR
            raise
        # After anything else, an interrupt for one, the answer is still to come: as with
        # libpq the connection stays active, and is of no use any more.
        self._running = False
        return rows

    def _ask(self, operation: str, sql: str | None = None) -> None:
        self._server.enter(Call(operation, self._backend, sql))
        self._check_alive()

    def _check_alive(self) -> None:
        if not self._backend.alive:
            self._broken = True
            raise OperationalError("server closed the connection unexpectedly", "57P01")

    def _check_open(self) -> None:
        if self.closed:
            raise InterfaceError("the connection is closed already")


class FakeConnection(Pooled, _Connection):
    """The fake driver's connection as a pool lends it."""

    close_for_good = _Connection.close

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in ("autocommit", "isolation_level", "readonly", "cursor_factory"):
            self.touch(CLIENT)

    def _ask(self, operation: str, sql: str | None = None) -> None:
        if sql is not None and statements.changes_session(sql):
            self.touch(SESSION)
        super()._ask(operation, sql)

    Error = Error
    InterfaceError = InterfaceError
    DatabaseError = DatabaseError
    OperationalError = OperationalError
    ProgrammingError = ProgrammingError
