"""Cursors that tell the pool of statements which touch the session."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from multipool.session import touches

if TYPE_CHECKING:
    from psycopg import Cursor

    _Base = Cursor[Any]
else:
    _Base = object


class Watching(_Base):
    """In front of a cursor class: looks at each statement on its way."""

    # The layout is that of the class behind, so that a cursor can be made one of these.
    __slots__ = ()

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        """Execute *query*, as psycopg does."""
        seen: Any = query
        if type(seen) is not str or touches(seen):
            self._look_at(seen)
        return super().execute(query, *args, **options)

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

    def _look_at(self, query: Any) -> None:
        if isinstance(query, str):
            text = query
        elif isinstance(query, bytes):
            text = query.decode("latin-1")  # the words that matter are ASCII
        elif hasattr(query, "as_string"):
            text = query.as_string(self)
        else:
            text = "set"  # a form that we do not know: in doubt it touches
        if touches(text):
            conn: Any = self.connection
            conn.touch()


@cache
def watching(factory: type) -> type:
    """Return a subclass of the cursor class *factory* that tells the pool."""
    if issubclass(factory, Watching):
        return factory
    names = {"__module__": factory.__module__, "__slots__": ()}
    return type(factory.__name__, (Watching, factory), names)
