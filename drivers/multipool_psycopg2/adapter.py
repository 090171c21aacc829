"""The pool's contract, fulfilled with psycopg2's own calls."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extensions import UNICODE, register_type
from psycopg2.extensions import connection as plain_connection
from psycopg2.extensions import cursor as plain_cursor
from psycopg2.sql import SQL, Identifier, Literal

from multipool.driver import IDLE, Driver
from multipool.failures import judge
from multipool.session import note_names, read_configured, reset_sql
from multipool_psycopg2 import params as parameters
from multipool_psycopg2.connection import Connection
from multipool_psycopg2.piggyback import piggyback_begin
from multipool_psycopg2.session import (
    Settings,
    autocommitting,
    believes_in_one,
    refuse_prepared,
)


class Psycopg2Driver(Driver):
    """psycopg2."""

    name = "psycopg2"
    Error = psycopg2.Error
    InterfaceError = psycopg2.InterfaceError
    DatabaseError = psycopg2.DatabaseError
    OperationalError = psycopg2.OperationalError

    def check_params(self, params: Mapping[str, Any]) -> None:
        parameters.check(params)

    def connect(self, params: Mapping[str, Any], timeout: float | None) -> Connection:
        """Open a connection.

        libpq waits for whole seconds, for two at least, and so long for each host and each
        address of a host.
        """
        # An empty DSN, since psycopg2 refuses to connect with no parameter at all.
        made: Any = psycopg2.connect(
            "", connection_factory=Connection, **parameters.complete(params, timeout)
        )
        # Tracers (ddtrace, elastic-apm, newrelic) put a function of theirs in the place of
        # psycopg2's, which returns a proxy: psycopg2's own functions in C take none.
        while not issubclass(type(made), Connection):
            made = made.__wrapped__
        conn: Connection = made
        return conn

    def close(self, conn: Connection) -> None:
        with suppress(Exception):
            plain_connection.close(conn)

    def abandon(self, conn: Connection) -> None:
        # psycopg2 itself keeps quiet when a child process collects its parent's connection.
        # The socket is replaced, not closed: its number must not come to mean another file
        # while the connection can still be used by mistake.
        with suppress(Exception), Path(os.devnull).open("r+b") as nothing:
            os.dup2(nothing.fileno(), conn.fileno(), inheritable=False)

    # The C method itself, in the place of one of ours, which would cost more than it. To mypy
    # that is no method.
    status = staticmethod(plain_connection.get_transaction_status)  # type: ignore[assignment]

    def fileno(self, conn: Connection) -> int:
        return -1 if conn.closed else conn.fileno()

    def drain(self, conn: Connection) -> bool:
        try:
            # Twice: the first reads the server's last words, only the second finds the end.
            conn.poll()
            conn.poll()
        except psycopg2.Error:
            return False
        return not conn.closed

    def rollback(self, conn: Connection) -> None:
        refuse_prepared(conn)
        self._end(conn, "rollback")

    def commit(self, conn: Connection) -> None:
        self._end(conn, "commit")

    def _end(self, conn: Connection, how: str) -> None:
        getattr(plain_connection, how)(conn)
        if self.status(conn) != IDLE:
            # Begun by a BEGIN of the user's own under autocommit: psycopg2 leaves it alone.
            with plain_cursor(conn) as cursor:
                cursor.execute(how)

    def is_behind(self, conn: Connection) -> bool:
        return believes_in_one(conn)

    def cancel(self, conn: Connection) -> None:
        conn.cancel()

    def execute(self, conn: Connection, sql: str) -> None:
        note_names(conn, sql)
        with autocommitting(conn), plain_cursor(conn) as cursor:
            cursor.execute(sql)

    asks = True

    def ask(self, conn: Connection, sql: str, *values: str) -> str | None:
        with autocommitting(conn), plain_cursor(conn) as cursor:
            register_type(UNICODE, cursor)
            cursor.execute(sql, values)
            row = cursor.fetchone()
        return row[0] if row else None

    def set_parameter(self, conn: Connection, name: str, value: str) -> None:
        statement = SQL("set {} to {}").format(Identifier(*name.split(".")), Literal(value))
        self.execute(conn, statement.as_string(conn))

    def remember(self, conn: Connection, configured: bool = False) -> Settings:
        settings = Settings(conn)
        # psycopg2 itself sets this one after connecting, where the server has it otherwise.
        date_style = conn.get_parameter_status("DateStyle")
        if date_style is not None:  # a pooler may keep it to itself
            settings.on_server.append(("DateStyle", date_style))
        if configured:
            with autocommitting(conn), plain_cursor(conn) as cursor:
                register_type(UNICODE, cursor)  # whatever text is to its user
                cursor.execute(read_configured(conn))
                settings.on_server += cursor.fetchall()
        return settings

    def restore(self, conn: Connection, settings: Settings) -> None:
        settings.restore(conn)

    def reset(self, conn: Connection, settings: Settings) -> None:
        # Before, since psycopg2 may tell the server of these, or take back what it has.
        settings.begin_as_before(conn)
        self.execute(conn, reset_sql(settings.on_server))

    def parameter_status(self, conn: Connection, name: str) -> str | None:
        return conn.get_parameter_status(name)

    def backend_pid(self, conn: Connection) -> int | None:
        return conn.get_backend_pid()

    def piggyback_begin(self, conn: Connection) -> None:
        piggyback_begin(conn)

    prepares = True

    def use_plans(self, conn: Connection, shelf: Any) -> None:
        conn._multipool_shelf = shelf

    def observe(self, conn: Connection, sight: Any) -> None:
        conn._multipool_sight = sight

    def sqlstate(self, error: BaseException) -> str | None:
        return error.pgcode if isinstance(error, psycopg2.Error) else None

    def failure(self, error: BaseException) -> str:
        return judge(self.sqlstate(error), str(error))
