"""Cursors whose first statement in a transaction carries the BEGIN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from psycopg2 import Error, ProgrammingError
from psycopg2.extensions import connection as plain_connection
from psycopg2.extensions import cursor as plain_cursor
from psycopg2.extensions import quote_ident

from multipool.driver import IDLE
from multipool.session import WAITED, carries_begin, innocent, touches
from multipool_psycopg2.cursor import Watching, text_of

if TYPE_CHECKING:
    from multipool_psycopg2.piggyback import PiggybackConnection

_query: Any = plain_cursor.query
_transaction_status = plain_connection.get_transaction_status

_SCROLL: Final = {None: "", False: "NO SCROLL ", True: "SCROLL "}


class PiggybackCursor(Watching):
    """In front of a cursor class of a `PiggybackConnection`."""

    # How much of what was sent last is not the user's.
    _prefix = 0
    # What declares this named cursor, if that is done here, and whether it was.
    _declaration: bytes | None = None
    _declared = False
    #: The ``execute`` behind the `Watching`, which to look up by `super` takes longer.
    _multipool_plain: Any = plain_cursor.execute

    if not TYPE_CHECKING:

        @property
        def query(self) -> bytes | None:
            """What was executed last, without the BEGIN that went with it."""
            if self._declaration is not None:
                return self._declaration
            sent: bytes | None = _query.__get__(self)
            return sent[self._prefix :] if sent is not None else None

    def execute(self, query: Any, vars: Any = None) -> Any:  # noqa: A002  # psycopg2's name
        """Execute *query*, as psycopg2 does."""
        # By `_connection` the type would be known, for a call more of each query.
        conn: PiggybackConnection = self.connection  # type: ignore[assignment]
        if self._prefix:  # a cursor that never had one has no dict of its own either
            self._prefix = 0
        if conn._wants_autocommit or (self.name is None and _transaction_status(conn)):
            # What each query comes to. A plain text is looked at here: a call less.
            if type(query) is not str or (query not in innocent and touches(query)):
                query = self._seen(query)
            return self._multipool_plain(query, vars)
        if self.name is not None:
            return self._execute_named(query, vars)
        begin = conn.begin_due
        if not begin:
            return super().execute(query, vars)
        if type(query) is not str or touches(query):
            query = self._seen(query)
        if not carries_begin(text_of(query)):
            conn.begin()
            return self._multipool_plain(query, vars)
        return self._send_with(begin, self.mogrify(query, vars))

    def _send(self, message: bytes) -> None:
        self._prefix = 0
        begin = self._connection.begin_due
        if begin:
            self._send_with(begin, message)
        else:
            super()._send(message)

    def _send_with(self, begin: bytes, message: bytes) -> None:
        conn: Any = self.connection
        self._prefix = len(begin) + 1
        try:
            return super()._send(begin + b";" + message)
        except Error as error:
            if conn.closed or not _is_about_the_text(error, conn):
                raise
        # Nothing of it was run. psycopg2 would have begun the transaction nevertheless, and
        # the place that the server names counts the BEGIN: so once more, each by itself.
        self._prefix = 0
        conn.begin_anew()
        return super()._send(message)

    def _execute_named(self, query: Any, vars: Any) -> Any:  # noqa: A002
        """Declare a named cursor. psycopg2 itself would send a second BEGIN for it."""
        if self.withhold:
            self._connection.begin()
            return super().execute(query, vars)
        if self._declared:
            raise ProgrammingError("can't call .execute() on named cursors more than once")
        name, scroll = quote_ident(str(self.name), self._connection), _SCROLL[self.scrollable]
        declare = f"DECLARE {name} {scroll}CURSOR WITHOUT HOLD FOR ".encode()
        # Made by hand: this is what `execute` was asked for, and not a statement more.
        with self._connection._seeing(plain_cursor)(self._connection) as cursor:
            self._declaration = declare + self.mogrify(self._seen(query), vars)
            cursor.execute(self._declaration)
        self._declared = True
        return None

    def executemany(self, query: Any, vars_list: Any) -> Any:
        """Execute *query* for each of *vars_list*, as psycopg2 does."""
        self._begin()
        return super().executemany(query, vars_list)

    def callproc(self, *args: Any) -> Any:
        """Call a function, as psycopg2 does."""
        self._begin()
        return super().callproc(*args)

    def copy_expert(self, *args: Any, **options: Any) -> Any:
        """Copy as an SQL statement says, as psycopg2 does."""
        self._begin()
        return super().copy_expert(*args, **options)

    def copy_from(self, *args: Any, **options: Any) -> Any:
        """Fill a table from a file, as psycopg2 does."""
        self._begin()
        return super().copy_from(*args, **options)

    def copy_to(self, *args: Any, **options: Any) -> Any:
        """Write a table to a file, as psycopg2 does."""
        self._begin()
        return super().copy_to(*args, **options)

    @property
    def _connection(self) -> PiggybackConnection:
        return cast("PiggybackConnection", self.connection)

    def _begin(self) -> None:
        self._prefix = 0
        self._connection.begin()


def _is_about_the_text(error: Error, conn: PiggybackConnection) -> bool:
    """Return whether the server refused a statement before it ran anything of it.

    Either it did not even come to the BEGIN, or it names a place in the text, which it does
    while it analyses it; and while it waits for a table's lock, for as long as it is to.
    """
    place = error.diag.statement_position
    waited = (error.pgcode or "").startswith(WAITED)
    return conn.get_transaction_status() == IDLE or (place is not None and not waited)
