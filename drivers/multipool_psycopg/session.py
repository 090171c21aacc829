"""What a psycopg connection keeps on the client's side, and how it is put back."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Final

from psycopg import postgres
from psycopg.adapt import AdaptersMap

from multipool.errors import PoolError
from multipool_psycopg.connection import Connection

# Set only where changed, since some setters want an idle connection and take a lock.
_NAMES: Final = (
    "autocommit",
    "isolation_level",
    "read_only",
    "deferrable",
    "cursor_factory",
    "server_cursor_factory",
    "row_factory",
    "prepare_threshold",
    "prepared_max",
)
_values = attrgetter(*_NAMES)


class Settings:
    """The settings of a connection at one moment."""

    def __init__(self, conn: Connection) -> None:
        self._values = _values(conn)
        self.autocommit = conn.autocommit
        #: What the server is to be told again after a reset: names and values.
        self.on_server: list[tuple[str, str]] = []
        self._notice_handlers = list(conn._notice_handlers)
        self._notify_handlers = list(conn._notify_handlers)
        # None until somebody asks for them: then psycopg makes a copy of the global ones.
        self._adapters = conn._adapters
        self._lend_adapters(conn)

    def restore(self, conn: Connection) -> None:
        """Put them back.

        Raises `PoolError` for a connection left in pipeline mode or with a
        transaction prepared (two-phase).
        """
        if conn._tpc is not None:
            refuse_prepared(conn)
        if conn._pipeline is not None:
            raise PoolError("the connection was left in pipeline mode")
        refuse_unfinished(conn)
        if _values(conn) != self._values:
            for name, value in zip(_NAMES, self._values, strict=True):
                if getattr(conn, name) != value:
                    setattr(conn, name, value)
        conn._notice_handlers[:] = self._notice_handlers
        conn._notify_handlers[:] = self._notify_handlers
        # What the last borrower was told is not the next one's business.
        backlog: Any = conn._notifies_backlog
        backlog.clear()
        if conn._adapters is not None and _tables(conn._adapters) != self._own_tables():
            self._lend_adapters(conn)

    def _lend_adapters(self, conn: Connection) -> None:
        """Give *conn* a copy of the adapters, so that the borrower's changes reach no other."""
        conn._adapters = self._adapters  # of which it makes a copy

    def _own_tables(self) -> tuple[object, ...]:
        return _tables(postgres.adapters if self._adapters is None else self._adapters)


def refuse_prepared(conn: Connection) -> None:
    """Raise `PoolError` for a transaction that was left prepared (two-phase)."""
    if conn._tpc is not None and conn._tpc[1]:
        raise PoolError(f"a transaction was left prepared, xid {str(conn._tpc[0])!r}")


def refuse_unfinished(conn: Connection) -> None:
    """Raise `PoolError` for a ``notifies()`` left in the midst: it keeps psycopg's lock."""
    if conn._notifies_backlog is None:
        raise PoolError("notifies() was left in the midst of its loop")


def _tables(adapters: AdaptersMap) -> tuple[object, ...]:
    """Return the tables behind *adapters*.

    psycopg copies a table only when something is registered in it, so comparing those of
    an untouched copy comes down to comparing identities.
    """
    return (
        *adapters._loaders,
        *adapters._dumpers_by_oid,
        *adapters._dumpers.values(),
        adapters.types._registry,
    )
