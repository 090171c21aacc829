"""Cursors that tell the pool of statements which touch the session."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from psycopg2.extensions import cursor as _plain

from multipool.held_cursors import closed, declaring
from multipool.session import note_names, touches
from multipool.users_cursor import UsersInFront

if TYPE_CHECKING:
    plain_cursor = _plain
else:
    plain_cursor = object


class Watching(plain_cursor):
    """In front of a cursor class: looks at each statement on its way."""

    def execute(self, query: Any, vars: Any = None) -> Any:  # noqa: A002  # psycopg2's name
        """Execute *query*, as psycopg2 does."""
        return super().execute(self._seen(query), vars)

    def executemany(self, query: Any, vars_list: Any) -> Any:
        """Execute *query* for each of *vars_list*, as psycopg2 does."""
        return super().executemany(self._seen(query), vars_list)

    def callproc(self, procname: Any, /, *args: Any) -> Any:
        """Call a function, as psycopg2 does."""
        self._seen(_call(procname))
        return super().callproc(procname, *args)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> Any:
        """Copy as *sql* says, as psycopg2 does."""
        return super().copy_expert(self._seen(sql), file, size)

    def _send(self, message: bytes) -> None:
        """Execute a statement that was looked at already."""
        super().execute(message)

    def _begin(self) -> None:
        """Begin the transaction, where psycopg2 does not."""

    def _seen(self, query: Any) -> Any:
        if hasattr(query, "as_string"):
            query = query.as_string(self)
        text = text_of(query)
        if touches(text):
            conn: Any = self.connection
            conn.touch()
            note_names(conn, text)
        return query


class _Named(plain_cursor):
    """In front of a class of named cursors, which can outlive their transaction."""

    def execute(self, query: Any, vars: Any = None) -> Any:  # noqa: A002  # psycopg2's name
        """Declare the cursor, as psycopg2 does."""
        if self.withhold:
            declaring(self.connection, self)
        return super().execute(query, vars)

    def close(self) -> None:
        """Close the cursor, as psycopg2 does."""
        conn, was_open = self.connection, not self.closed
        status = conn.get_transaction_status()
        super().close()
        if was_open and self.withhold:
            closed(conn, self, status)


@cache
def watching_named(factory: type) -> type:
    """Return a subclass of the class *factory* of named cursors that tells of those WITH HOLD."""
    return type(factory.__name__, (_Named, factory), {"__module__": factory.__module__})


def text_of(query: Any) -> str:
    """Return the text to look at; empty for what psycopg2 refuses."""
    if isinstance(query, bytes):
        return query.decode("latin-1")  # the words that matter are ASCII
    return query if isinstance(query, str) else ""


def _call(procname: Any) -> str:
    """Return what calls a function, as far as it is known here."""
    return f"select * from {procname}"  # noqa: S608  # it is looked at, not executed


def _sees(cursor: Any, query: Any) -> None:
    cursor._seen(query)
    cursor._begin()


def _sees_call(cursor: Any, procname: Any) -> None:
    _sees(cursor, _call(procname))


def _begins(cursor: Any, _file: Any) -> None:
    cursor._begin()


behind_users: Final = UsersInFront(
    Watching,
    lambda _: _plain,
    {
        "execute": _sees,
        "executemany": _sees,
        "copy_expert": _sees,
        "callproc": _sees_call,
        "copy_from": _begins,
        "copy_to": _begins,
    },
    trusted="psycopg2.extras",
)


@cache
def watching(factory: type) -> type:
    """Return a subclass of the cursor class *factory* that tells the pool."""
    if issubclass(factory, Watching):
        return factory
    users = behind_users(factory, watching)
    if users is not None:
        return users
    return type(factory.__name__, (Watching, factory), {"__module__": factory.__module__})
