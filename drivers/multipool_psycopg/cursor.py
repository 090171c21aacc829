"""Cursors that tell the pool of statements which touch the session."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import ServerCursor
from psycopg._cursor_base import BaseCursor

from multipool.held_cursors import closed, declaring
from multipool.session import innocent, note_names, touches
from multipool.users_cursor import UsersInFront

if TYPE_CHECKING:
    from psycopg import Cursor

    _Base = Cursor[Any]
else:
    _Base = object


#: Stands for parameters that were not given.
NOT_GIVEN: Final[Any] = object()


class Watching(_Base):
    """In front of a cursor class: looks at each statement on its way."""

    # The layout is that of the class behind, so that a cursor can be made one of these.
    __slots__ = ()

    def execute(self, query: Any, params: Any = NOT_GIVEN, *more: Any, **options: Any) -> Any:
        """Execute *query*, as psycopg does."""
        # In three ways, since a class behind may have its own signature, and passing on all
        # there may be costs every query.
        if type(query) is not str or query not in innocent:
            self._look_at(query)
        execute: Any = super().execute
        if params is NOT_GIVEN:
            return execute(query, **options)
        if more or options:
            return execute(query, params, *more, **options)
        return execute(query, params)

    def executemany(self, query: Any, *args: Any, **options: Any) -> None:
        """Execute *query* for each of the parameters, as psycopg does."""
        self._look_at(query)
        super().executemany(query, *args, **options)

    def stream(self, query: Any, *args: Any, **options: Any) -> Any:
        """Iterate row by row on a result, as psycopg does."""
        self._look_at(query)
        return super().stream(query, *args, **options)

    def copy(self, statement: Any, *args: Any, **options: Any) -> Any:
        """Begin a COPY, as psycopg does."""
        self._look_at(statement)
        return super().copy(statement, *args, **options)

    def _send(self, message: bytes) -> None:
        """Execute a statement that was looked at already."""
        super().execute(message)

    def _look_at(self, query: Any) -> None:
        text = self._text(query)
        if touches(text):
            conn: Any = self.connection
            conn.touch()
            note_names(conn, text)

    def _text(self, query: Any) -> str:
        """Return the text to look at."""
        if isinstance(query, str):
            return query
        if isinstance(query, bytes):
            return query.decode("latin-1")  # the words that matter are ASCII
        if hasattr(query, "as_string"):
            text: str = query.as_string(self)
            return text
        return "set"  # a form that we do not know: in doubt it touches


class _WatchingNamed(Watching):
    """The same for named cursors, which can outlive their transaction."""

    __slots__ = ()

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        """Declare the cursor, as psycopg does."""
        named: Any = self
        if named.withhold:
            declaring(named._conn, self)
        return super().execute(query, *args, **options)

    def close(self) -> None:
        """Close the cursor, as psycopg does."""
        named: Any = self
        conn, was_open = named._conn, not named.closed
        status = conn.pgconn.transaction_status
        super().close()
        if was_open and named.withhold:
            closed(conn, self, status)


#: psycopg's own cursor classes.
_OWN: Final = frozenset(
    [psycopg.Cursor, psycopg.ClientCursor, psycopg.RawCursor, ServerCursor, psycopg.RawServerCursor]
)


def _own(factory: type) -> type:
    return next(one for one in factory.__mro__ if one in _OWN)


behind_users: Final = UsersInFront(
    Watching,
    _own,
    dict.fromkeys(("execute", "executemany", "stream", "copy"), Watching._look_at),
)


def replaced(factory: Any, subclass: Callable[[type], type]) -> Any:
    """Return the *subclass* of a cursor class; for a function one whose cursors are of such."""
    if isinstance(factory, type):
        return subclass(factory)

    def make(*args: Any, **options: Any) -> Any:
        cursor = factory(*args, **options)
        if isinstance(cursor, BaseCursor):
            cursor.__class__ = subclass(type(cursor))
        else:  # in doubt it touches
            args[0].touch()
        return cursor

    return make


@cache
def watching(factory: type) -> type:
    """Return a subclass of the cursor class *factory* that tells the pool."""
    if issubclass(factory, Watching):
        return factory
    users = behind_users(factory, watching)
    if users is not None:
        return users
    mixin = _WatchingNamed if issubclass(factory, ServerCursor) else Watching
    names = {"__module__": factory.__module__, "__slots__": ()}
    return type(factory.__name__, (mixin, factory), names)
