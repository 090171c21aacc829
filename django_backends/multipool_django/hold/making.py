"""Cursors of a driver, made by Django's own code on a connection that is not the wrapper's."""

from __future__ import annotations

from typing import Any


class Maker:
    """Makes cursors as the ``create_cursor`` of Django's *wrapper* does, on any connection.

    One after the other. It keeps no connection alive.
    """

    __slots__ = ("_connected", "_create", "_private")

    def __init__(self, wrapper: Any) -> None:
        # Past the check for an event loop, which whoever asks for a cursor has passed.
        self._create = type(wrapper)._create_cursor
        # Made once, since each statement has its cursor.
        self._connected = _ConnectedBy(wrapper)
        self._private = _Private()

    def __call__(self, conn: Any) -> Any:
        """Return a cursor of *conn* that nobody is shown."""
        connected, private = self._connected, self._private
        if connected.connection is not None:  # a finaliser asks in the midst of it
            connected, private = _ConnectedBy(connected._wrapper), _Private()
        private._conn = conn
        private.cursor = conn.private_cursor
        connected.connection = private
        try:
            return self._create(connected)
        finally:
            connected.connection = private._conn = private.cursor = None

    def named(self, conn: Any, name: str) -> Any:
        """Return a cursor of *conn* whose rows stay on the server."""
        connected = _ConnectedBy(self._connected._wrapper)
        connected.connection = conn
        cursor = self._create(connected, name)
        adopt(conn, cursor)
        return cursor


def adopt(conn: Any, cursor: Any) -> None:
    """Have the pool told of what *cursor* on the server does, which Django has made on *conn*.

    It makes psycopg's from a class of its own, past the connection.
    """
    take = getattr(conn, "adopt", None)
    if take is not None:
        take(cursor)


class _ConnectedBy:
    """Looks to Django like a wrapper whose connection is a certain one."""

    __slots__ = ("_wrapper", "connection", "tzinfo_factory")

    def __init__(self, wrapper: Any) -> None:
        self._wrapper = wrapper
        self.connection: Any = None
        # Each cursor is given it, where the driver's have one: so it is not looked up each time.
        factory = getattr(wrapper, "tzinfo_factory", None)
        if factory is not None:
            self.tzinfo_factory = factory

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapper, name)


class _Private:
    """Looks like a driver's connection, whose cursors nobody is shown.

    So the pool need not look at the connection when it comes back.
    """

    __slots__ = ("_conn", "cursor")

    def __init__(self) -> None:
        self._conn: Any = None
        self.cursor: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)
