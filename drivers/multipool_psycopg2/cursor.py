"""Cursors that tell the pool of statements which touch the session."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from multipool.session import touches

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as plain_cursor
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

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> Any:
        """Copy as *sql* says, as psycopg2 does."""
        return super().copy_expert(self._seen(sql), file, size)

    def _send(self, message: bytes) -> None:
        """Execute a statement that was looked at already."""
        super().execute(message)

    def _seen(self, query: Any) -> Any:
        if hasattr(query, "as_string"):
            query = query.as_string(self)
        if touches(text_of(query)):
            conn: Any = self.connection
            conn.touch()
        return query


def text_of(query: Any) -> str:
    """Return the text to look at; empty for what psycopg2 refuses."""
    if isinstance(query, bytes):
        return query.decode("latin-1")  # the words that matter are ASCII
    return query if isinstance(query, str) else ""


@cache
def watching(factory: type) -> type:
    """Return a subclass of the cursor class *factory* that tells the pool."""
    if issubclass(factory, Watching):
        return factory
    return type(factory.__name__, (Watching, factory), {"__module__": factory.__module__})
