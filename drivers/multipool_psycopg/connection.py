"""The connection class that a pool of psycopg connections lends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from multipool.driver import CLIENT, SESSION, Pooled
from multipool_psycopg.cursor import watching


def _watched(name: str) -> Any:
    """Return psycopg's own property *name*, whose setting the pool is told of."""
    own = getattr(psycopg.Connection, name)

    def change(conn: Connection, value: Any) -> None:
        own.__set__(conn, value)
        conn.touch(CLIENT)

    return property(own.__get__, change, doc=own.__doc__)


def _plain(name: str) -> Any:
    """Return a property in place of the plain attribute *name*, for the same end."""

    def change(conn: Connection, value: Any) -> None:
        conn.__dict__[name] = value
        conn.touch(CLIENT)

    return property(lambda conn: conn.__dict__[name], change)


_make_cursor = psycopg.Connection.cursor


class Connection(Pooled, psycopg.Connection[Any]):
    """psycopg's own connection, whose ``close`` gives it back to its pool.

    Its cursors are of subclasses of the classes asked for, and tell the pool of statements
    that touch the session. One made from its class directly, not by `cursor`, does not.
    """

    __slots__ = ("_multipool_slot",)

    def __init__(self, *args: Any, **options: Any) -> None:
        self._multipool_slot = None
        super().__init__(*args, **options)

    if not TYPE_CHECKING:  # to the checkers they are the driver's own
        autocommit = _watched("autocommit")
        isolation_level = _watched("isolation_level")
        read_only = _watched("read_only")
        deferrable = _watched("deferrable")
        prepare_threshold = _watched("prepare_threshold")
        prepared_max = _watched("prepared_max")
        cursor_factory = _plain("cursor_factory")
        server_cursor_factory = _plain("server_cursor_factory")
        row_factory = _plain("row_factory")

    @property
    def _pool(self) -> Any:  # type: ignore[override]
        """The slot of the pool that owns the connection: psycopg asks here for its own pool.

        With an owner, the connection used as a context manager is not closed at the end
        of the block, and psycopg does not warn when it is collected: the pool reports
        that. Raises `AttributeError` without one, which is how psycopg tells.
        """
        if self._multipool_slot is None:
            raise AttributeError("_pool")
        return self._multipool_slot

    @property
    def adapters(self) -> Any:
        """The adapters of this connection, which may be changed by who has them."""
        if not self._making_cursor:
            self.touch(CLIENT)
        return super().adapters

    # While psycopg makes a cursor, which looks at `adapters` and changes nothing.
    _making_cursor = False

    def cursor(self, *args: Any, **options: Any) -> Any:
        """Return a cursor, as psycopg does."""
        if options.get("withhold"):
            self.touch(SESSION)
        self._making_cursor = True
        try:
            cursor: Any = _make_cursor(self, *args, **options)
        finally:
            self._making_cursor = False
        made: Any = type(cursor)
        cursor.__class__ = watching(made)
        return cursor

    def add_notice_handler(self, callback: Any) -> None:
        """Call *callback* with each notice, until the connection is returned."""
        self.touch(CLIENT)
        super().add_notice_handler(callback)

    def add_notify_handler(self, callback: Any) -> None:
        """Call *callback* with each notification, until the connection is returned."""
        self.touch(CLIENT)
        super().add_notify_handler(callback)

    def tpc_begin(self, xid: Any) -> None:
        """Begin a two-phase transaction, which may outlive the lease."""
        self.touch(CLIENT)
        super().tpc_begin(xid)
