"""Cursors that execute prepared what the pool has plans for."""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from psycopg2.extensions import Int, ISQLQuote
from psycopg2.extensions import adapters as _adapters
from psycopg2.extensions import connection as plain_connection
from psycopg2.extensions import cursor as plain_cursor

from multipool.plans.by_text import PlannedByText
from multipool.plans.shelf import Shelf
from multipool_psycopg2.cursor import Watching, behind_users, text_of

#: Under what psycopg2 keeps how integers are adapted.
INTEGER: Final = int, ISQLQuote

_autocommit: Any = plain_connection.autocommit


class PlannedCursor(PlannedByText, Watching):
    """In front of a cursor class that watches."""

    # What was sent last instead of a statement, and that statement with its parameters.
    _stood_in: tuple[bytes, str, Any] | None = None

    if not TYPE_CHECKING:

        @property
        def query(self) -> bytes | None:
            """What was executed last, as it would have been sent unprepared."""
            sent = super().query
            if self._stood_in is None or sent != self._stood_in[0]:
                return sent
            _, query, vars = self._stood_in  # noqa: A001
            return self.mogrify(query, vars)

    def execute(self, query: Any, vars: Any = None) -> Any:  # noqa: A002  # psycopg2's name
        """Execute *query*, as psycopg2 does."""
        conn: Any = self.connection
        shelf = conn._multipool_shelf
        if type(query) is not str:
            return self._execute_other(shelf, query, vars)
        quick = shelf.quick.get(query)
        if quick is not None and quick.guard.trusted:
            # In line, since a call is felt here.
            known = quick.form.with_integers(vars) if _adapters.get(INTEGER) is Int else None
            message = self._quickly(shelf, quick, vars, known)
            if message is not None:
                self._stood_in = message, query, vars
                return None
        return self._execute_thoughtfully(shelf, query, vars)

    def _execute_thoughtfully(self, shelf: Shelf, query: str, vars: Any) -> Any:  # noqa: A002
        wording = shelf.find(self.connection, query)
        if wording is None:
            return self._execute_other(shelf, query, vars)
        if shelf.rests(wording.statement):
            return super().execute(query, vars)
        message = self._prepared(shelf, query, wording, vars)
        if message is not None:
            self._stood_in = message, query, vars
            return None
        begun = perf_counter()
        super().execute(query, vars)
        shelf.note_unprepared(wording.statement, perf_counter() - begun)
        return None

    def _execute_other(self, shelf: Shelf, query: Any, vars: Any) -> Any:  # noqa: A002
        if hasattr(query, "as_string"):
            return PlannedCursor.execute(self, query.as_string(self), vars)
        try:
            return super().execute(query, vars)
        finally:
            shelf.look_at(self.connection, text_of(query))

    def executemany(self, query: Any, vars_list: Any) -> Any:
        """Execute *query* for each of *vars_list*, as psycopg2 does."""
        if hasattr(query, "as_string"):
            query = query.as_string(self)
        conn: Any = self.connection
        try:
            return super().executemany(query, vars_list)
        finally:
            conn._multipool_shelf.look_at(conn, text_of(query))

    def _begins(self) -> bool:
        return not _autocommit.__get__(self.connection)

    def _command(self, sql: str) -> Any:
        with plain_cursor(self.connection) as cursor:
            cursor.execute(sql)
            row = cursor.fetchone() if cursor.description else None
            return None if row is None else row[0]


@cache
def planned(factory: Any) -> Any:
    """Return a subclass of the cursor class *factory*, which watches, that executes prepared.

    Where a class of others is in front, what that asks psycopg2 for is prepared.
    """
    if issubclass(factory, PlannedCursor):  # an heir of such a one
        return factory
    users = behind_users(factory, planned)
    if users is not None:
        return users
    names: dict[str, Any] = {"__module__": factory.__module__}
    # In C, and called at each execution.
    names["_merged"] = factory.mogrify
    if factory._send is Watching._send:  # it begins no transactions: straight to psycopg2
        behind: Any = super(Watching, factory)
        names["_send"] = behind.execute
    return type(factory.__name__, (PlannedCursor, factory), names)
