"""Cursors that tell the pool of statements which touch the session."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Final

from psycopg2.extensions import cursor as _plain

from multipool.held_cursors import closed, declaring
from multipool.session import touches

if TYPE_CHECKING:
    plain_cursor = _plain
else:
    plain_cursor = object


#: The methods that are given a statement.
_LOOKED_AT: Final = ("execute", "executemany", "copy_expert")


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
        if touches(text_of(query)):
            conn: Any = self.connection
            conn.touch()
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


def is_users(cls: Any, name: str) -> bool:
    """Return whether the method *name* of a cursor class is neither psycopg2's nor its extras'."""
    method = getattr(cls, name)
    return method is not getattr(_plain, name) and method.__module__ != "psycopg2.extras"


def looking_first(users: Any) -> dict[str, Any]:
    """Return the methods of a cursor class that stands in front of the `Watching`, looking first.

    They may ask psycopg2 directly, and not the class behind, as psycopg2's own do by ``super``.
    """
    own = {}
    for name in (*_LOOKED_AT, "callproc", "copy_from", "copy_to"):
        if is_users(users, name):
            looks = _call if name == "callproc" else _itself if name in _LOOKED_AT else None
            own[name] = _looking_first(getattr(users, name), looks)
    return own


def _itself(query: Any) -> Any:
    return query


def _looking_first(
    method: Callable[..., Any], looks: Callable[[Any], Any] | None
) -> Callable[..., Any]:
    @wraps(method)
    def look_and_go(self: Any, query: Any, *args: Any, **options: Any) -> Any:
        if looks is not None:
            self._seen(looks(query))
        self._begin()
        return method(self, query, *args, **options)

    return look_and_go


@cache
def watching(factory: type) -> type:
    """Return a subclass of the cursor class *factory* that tells the pool."""
    if issubclass(factory, Watching):
        return factory
    return type(factory.__name__, (Watching, factory), {"__module__": factory.__module__})
