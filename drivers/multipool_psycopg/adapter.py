"""The pool's contract, fulfilled with psycopg's own calls."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.pq import ExecStatus
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier, Literal
from psycopg.types.string import TextLoader

from multipool.driver import Driver
from multipool.failures import judge
from multipool.session import note_names, read_configured, reset_sql
from multipool_psycopg import params as parameters
from multipool_psycopg.connection import Connection
from multipool_psycopg.kept import forget_prepared, keep_statements
from multipool_psycopg.piggyback import piggyback_begin
from multipool_psycopg.session import Settings, refuse_prepared, refuse_unfinished

# As psycopg itself has it: also for "select" alone, which has rows without columns.
_WITH_ROWS: Final = (ExecStatus.TUPLES_OK, ExecStatus.SINGLE_TUPLE)


class PsycopgDriver(Driver):
    """psycopg, version 3."""

    name = "psycopg"
    Error = psycopg.Error
    InterfaceError = psycopg.InterfaceError
    DatabaseError = psycopg.DatabaseError
    OperationalError = psycopg.OperationalError

    def check_params(self, params: Mapping[str, Any]) -> None:
        parameters.check(params)

    def connect(self, params: Mapping[str, Any], timeout: float | None) -> Connection:
        """Open a connection.

        psycopg waits for whole seconds, for two at least, and so long for each host and
        each address of a host.
        """
        return Connection.connect(**parameters.complete(params, timeout))

    def close(self, conn: Connection) -> None:
        with suppress(Exception):
            psycopg.Connection.close(conn)

    def abandon(self, conn: Connection) -> None:
        # psycopg itself keeps quiet when a child process collects its parent's connection.
        # The socket is replaced, not closed: its number must not come to mean another file
        # while the connection can still be used by mistake.
        with suppress(Exception), Path(os.devnull).open("r+b") as nothing:
            os.dup2(nothing.fileno(), conn.fileno(), inheritable=False)

    # In C, in the place of a method. Not `info.transaction_status`, which makes an object and an
    # enum member: 40 times slower. To mypy that is no method.
    status = staticmethod(attrgetter("pgconn.transaction_status"))  # type: ignore[assignment]

    def fileno(self, conn: Connection) -> int:
        return -1 if conn.closed else conn.fileno()

    def drain(self, conn: Connection) -> bool:
        pgconn = conn.pgconn
        try:
            # Twice: the first reads the server's last words, only the second finds the end.
            pgconn.consume_input()
            pgconn.consume_input()
            while notification := pgconn.notifies():
                # psycopg's own, set by each connection: to the user's handlers, or kept for
                # the next `conn.notifies()`.
                if pgconn.notify_handler is not None:
                    pgconn.notify_handler(notification)
        except psycopg.Error:
            return False
        return not conn.closed

    def rollback(self, conn: Connection) -> None:
        refuse_prepared(conn)
        if conn._tpc is None:
            conn.rollback()
        else:
            conn.tpc_rollback()

    def is_behind(self, conn: Connection) -> bool:
        return conn._tpc is not None

    # The function itself, in the place of a method that calls it, which mypy wants to see.
    commit = staticmethod(psycopg.Connection.commit)  # type: ignore[assignment]

    def cancel(self, conn: Connection) -> None:
        conn.cancel_safe()

    def execute(self, conn: Connection, sql: str) -> None:
        note_names(conn, sql)
        autocommit = conn.autocommit
        conn.autocommit = True
        try:
            with psycopg.Cursor(conn) as cursor:
                cursor.execute(sql.encode(), prepare=False)
            if cursor.statusmessage in ("DISCARD ALL", "DEALLOCATE ALL"):
                forget_prepared(conn._prepared)
        finally:
            if not conn.closed:
                conn.autocommit = autocommit

    asks = True

    def ask(self, conn: Connection, sql: str, *values: str) -> str | None:
        autocommit = conn.autocommit
        conn.autocommit = True
        try:
            with _plain_cursor(conn) as cursor:
                row = cursor.execute(sql.encode(), values, prepare=False).fetchone()
        finally:
            if not conn.closed:
                conn.autocommit = autocommit
        return row[0] if row else None

    def set_parameter(self, conn: Connection, name: str, value: str) -> None:
        statement = SQL("set {} to {}").format(Identifier(*name.split(".")), Literal(value))
        self.execute(conn, statement.as_string(conn))

    def remember(self, conn: Connection, configured: bool = False) -> Settings:
        settings = Settings(conn)
        if configured:
            autocommit = conn.autocommit
            conn.autocommit = True
            with _plain_cursor(conn) as cursor:
                cursor.execute(read_configured(conn).encode(), prepare=False)
                settings.on_server = cursor.fetchall()
            conn.autocommit = autocommit
        return settings

    def restore(self, conn: Connection, settings: Settings) -> None:
        settings.restore(conn)

    def reset(self, conn: Connection, settings: Settings) -> None:
        refuse_unfinished(conn)
        self.execute(conn, reset_sql(settings.on_server))
        forget_prepared(conn._prepared)

    def parameter_status(self, conn: Connection, name: str) -> str | None:
        value = conn.pgconn.parameter_status(name.encode())
        return None if value is None else value.decode()

    def backend_pid(self, conn: Connection) -> int | None:
        return conn.pgconn.backend_pid

    def piggyback_begin(self, conn: Connection) -> None:
        piggyback_begin(conn)

    prepares = True

    def use_plans(self, conn: Connection, shelf: Any) -> None:
        shelf.store = kept = keep_statements(conn._prepared)
        kept.prepared_max = shelf.planner.options.max
        conn._multipool_shelf = shelf
        # Subclasses of theirs, see `Connection._cursor_class`.
        conn.cursor_factory = conn.cursor_factory

    def observe(self, conn: Connection, sight: Any) -> None:
        conn._multipool_sight = sight
        # Subclasses of theirs, see `Connection._observed_class`.
        conn.cursor_factory = conn.cursor_factory
        conn.server_cursor_factory = conn.server_cursor_factory

    def has_rows(self, cursor: Any) -> bool:
        # psycopg makes an object for each column when it is asked for them.
        result = cursor.pgresult
        return result is not None and (result.nfields > 0 or result.status in _WITH_ROWS)

    def sqlstate(self, error: BaseException) -> str | None:
        return error.sqlstate if isinstance(error, psycopg.Error) else None

    def failure(self, error: BaseException) -> str:
        return judge(self.sqlstate(error), str(error))


def _plain_cursor(conn: Connection) -> psycopg.Cursor[tuple[Any, ...]]:
    """Return a cursor of which text is text, whatever it is to the user of *conn*."""
    cursor = psycopg.Cursor(conn, row_factory=tuple_row)
    cursor.adapters.register_loader("text", TextLoader)
    return cursor
