"""The connection class that a pool of SQLite connections lends, and its cursors."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from multipool.driver import CLIENT, SESSION, Pooled

# What outlives the transaction. The one word temp is enough, be it a column's: to see too much
# costs a connection, to see too little shows one borrower's table to the next.
_LASTING: Final = re.compile(r"\b(?:pragma|attach|detach|temp(?:orary)?)\b", re.IGNORECASE)


def _watched(name: str) -> Any:
    """Return sqlite3's own attribute *name*, whose setting the pool is told of."""
    own: Any = getattr(sqlite3.Connection, name)

    def change(conn: Connection, value: Any) -> None:
        own.__set__(conn, value)
        conn.touch(CLIENT)

    return property(own.__get__, change, doc=own.__doc__)


def _altering(name: str) -> Any:
    """Return sqlite3's own method *name*, after which the connection cannot be put back."""
    own: Callable[..., Any] = getattr(sqlite3.Connection, name)

    def call(conn: Connection, *args: Any, **options: Any) -> Any:
        conn.alter()
        return own(conn, *args, **options)

    return call


class Cursor(sqlite3.Cursor):
    """sqlite3's own cursor, which tells the pool of statements that touch the session."""

    def execute(self, sql: str, *args: Any) -> Cursor:
        """Execute *sql*, as sqlite3 does."""
        self._look_at(sql)
        super().execute(sql, *args)
        return self

    def executescript(self, sql_script: str) -> Cursor:
        """Execute several statements, as sqlite3 does."""
        self._look_at(sql_script)
        super().executescript(sql_script)
        return self

    def _look_at(self, sql: str) -> None:
        if _LASTING.search(sql):
            cast(Connection, self.connection).alter()


class Connection(Pooled, sqlite3.Connection):
    """sqlite3's own connection, whose ``close`` gives it back to its pool."""

    #: Whether something was set that SQLite cannot undo.
    altered = False

    if not TYPE_CHECKING:  # to the checkers they are sqlite3's own
        isolation_level = _watched("isolation_level")
        row_factory = _watched("row_factory")
        text_factory = _watched("text_factory")
        create_function = _altering("create_function")
        create_aggregate = _altering("create_aggregate")
        create_window_function = _altering("create_window_function")
        create_collation = _altering("create_collation")
        set_authorizer = _altering("set_authorizer")
        set_progress_handler = _altering("set_progress_handler")
        set_trace_callback = _altering("set_trace_callback")
        setlimit = _altering("setlimit")

    @property
    def autocommit(self) -> bool:
        """Whether each statement is its own transaction: an ``isolation_level`` of None."""
        return self.isolation_level is None

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        self.isolation_level = None if value else "DEFERRED"

    def cursor(self, factory: Any = Cursor) -> Any:
        """Return a new cursor, of a class of one's own too."""
        if not (isinstance(factory, type) and issubclass(factory, Cursor)):
            self.alter()  # nobody sees what it executes
        return super().cursor(factory)

    def execute(self, sql: str, *args: Any) -> Any:
        """Execute *sql* by a new cursor."""
        return self.cursor().execute(sql, *args)

    def executescript(self, sql_script: str) -> Any:
        """Execute several statements by a new cursor."""
        return self.cursor().executescript(sql_script)

    def alter(self) -> None:
        """Note that the session is not any more as the pool made it, and cannot become so."""
        self.altered = True
        self.touch(SESSION)

    def __del__(self) -> None:
        # In silence: a pool reports itself the connections that its borrowers lose. And one that
        # could not be opened has nothing to close.
        with suppress(sqlite3.Error):
            sqlite3.Connection.close(self)


# Not there with every version and build of Python's.
for _name in ("deserialize", "enable_load_extension", "load_extension", "setconfig"):
    if hasattr(sqlite3.Connection, _name):
        setattr(Connection, _name, _altering(_name))
