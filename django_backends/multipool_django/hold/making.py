"""Cursors of a driver, made by Django's own code on a connection that is not the wrapper's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def make_cursor(create: Callable[..., Any], wrapper: Any, conn: Any, name: str | None) -> Any:
    """Return what *create*, the ``create_cursor`` of Django's wrapper, makes on *conn*."""
    # Past the check for an event loop, which whoever called for a cursor has passed.
    create = getattr(create, "__wrapped__", create)
    return create(_ConnectedBy(wrapper, conn if name else _Private(conn)), name)


class _ConnectedBy:
    """Looks to Django like a wrapper whose connection is a certain one."""

    __slots__ = ("_wrapper", "connection")

    def __init__(self, wrapper: Any, connection: Any) -> None:
        self._wrapper = wrapper
        self.connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapper, name)


class _Private:
    """Looks like a driver's connection, whose cursors nobody is shown.

    So the pool need not look at the connection when it comes back.
    """

    __slots__ = ("_conn", "cursor")

    def __init__(self, conn: Any) -> None:
        self._conn = conn
        self.cursor = conn.private_cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._conn, name)
