"""The pool's contract, fulfilled with the calls of Python's `sqlite3`."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from multipool import PoolConfigError
from multipool.conninfo import did_you_mean
from multipool.driver import IDLE, INTRANS, REFUSAL, UNKNOWN, Driver
from multipool_sqlite.connection import Connection

PARAMETERS: Final = frozenset(
    ["cached_statements", "database", "detect_types", "isolation_level", "timeout", "uri"]
)

# What a borrower may set on the client's side.
_SETTINGS: Final = ("isolation_level", "row_factory", "text_factory")

# A parent's connections in a forked child, where SQLite forbids even to close them: held,
# so that they never are.
_abandoned: Final[list[Connection]] = []


class SQLiteDriver(Driver):
    """Python's `sqlite3`. There is no server: whatever concerns a socket is answered so."""

    name = "sqlite3"
    system = "sqlite"
    Error = sqlite3.Error
    InterfaceError = sqlite3.InterfaceError
    DatabaseError = sqlite3.DatabaseError
    OperationalError = sqlite3.OperationalError

    def parse_dsn(self, dsn: str) -> dict[str, Any]:
        """Return the parameters in *dsn*: a file's name, or a URI that begins with ``file:``."""
        if dsn.startswith("file:"):
            return {"database": dsn, "uri": True}
        if not dsn or "://" in dsn:
            raise PoolConfigError("bad DSN: must be a file's name, or a URI that begins with file:")
        return {"database": dsn}

    def check_params(self, params: Mapping[str, Any]) -> None:
        allowed = ", ".join(sorted(PARAMETERS))
        for name in params:
            if name not in PARAMETERS:
                near = did_you_mean(name, PARAMETERS)
                raise PoolConfigError(
                    f"unknown connection parameter {name!r}{near}; allowed: {allowed}"
                )
        if "database" not in params:
            raise PoolConfigError(
                f"the connection parameter database is missing; allowed: {allowed}"
            )

    def connect(self, params: Mapping[str, Any], timeout: float | None) -> Connection:
        # The pool lends a connection to one thread after another. *timeout* has nothing to
        # limit: opening a file does not wait.
        return sqlite3.connect(**params, factory=Connection, check_same_thread=False)

    def close(self, conn: Connection) -> None:
        with suppress(sqlite3.Error):
            sqlite3.Connection.close(conn)

    def abandon(self, conn: Connection) -> None:
        _abandoned.append(conn)

    def status(self, conn: Connection) -> int:
        try:
            return INTRANS if conn.in_transaction else IDLE
        except sqlite3.ProgrammingError:
            return UNKNOWN  # closed

    def fileno(self, conn: Connection) -> int:
        return -1

    def drain(self, conn: Connection) -> bool:
        return self.status(conn) != UNKNOWN

    def rollback(self, conn: Connection) -> None:
        conn.rollback()

    def commit(self, conn: Connection) -> None:
        conn.commit()

    def cancel(self, conn: Connection) -> None:
        conn.interrupt()

    def execute(self, conn: Connection, sql: str) -> None:
        level = conn.isolation_level
        _set(conn, "isolation_level", None)
        try:
            sqlite3.Cursor(conn).execute(sql)
        finally:
            _set(conn, "isolation_level", level)

    def set_parameter(self, conn: Connection, name: str, value: str) -> None:
        raise sqlite3.NotSupportedError("SQLite has no SET; use a PRAGMA")

    def remember(self, conn: Connection, configured: bool = False) -> dict[str, Any]:
        conn.altered = False  # what ``configure`` did is to stay
        return {name: getattr(conn, name) for name in _SETTINGS}

    def restore(self, conn: Connection, settings: dict[str, Any]) -> None:
        for name, value in settings.items():
            _set(conn, name, value)

    def reset(self, conn: Connection, settings: dict[str, Any]) -> None:
        """Refuse what cannot be undone, so that the pool replaces the connection."""
        if conn.altered:
            raise sqlite3.NotSupportedError(
                "SQLite cannot undo a PRAGMA, ATTACH, temporary table or registered function"
            )

    def parameter_status(self, conn: Connection, name: str) -> str | None:
        return None

    def backend_pid(self, conn: Connection) -> int | None:
        return None

    def sqlstate(self, error: BaseException) -> str | None:
        return None

    def failure(self, error: BaseException) -> str:
        return REFUSAL  # a file that cannot be opened now will not open by itself


def _set(conn: Connection, name: str, value: Any) -> None:
    """Set an attribute by sqlite3's own setter: the pool need not hear of itself."""
    own: Any = getattr(sqlite3.Connection, name)
    own.__set__(conn, value)
