"""What a psycopg2 connection keeps on the client's side, and how it is put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from psycopg2.extensions import STATUS_BEGIN, STATUS_PREPARED
from psycopg2.extensions import connection as plain_connection

from multipool.errors import PoolError
from multipool_psycopg2.connection import Connection

_status: Any = plain_connection.status.__get__
_notices: Any = vars(plain_connection)["notices"].__get__
_notifies: Any = vars(plain_connection)["notifies"].__get__

Characteristics = tuple[bool, int | None, bool | None, bool | None]

# What psycopg2 calls that it is in a transaction, or that this is prepared.
_IN_ONE: Final = (STATUS_BEGIN, STATUS_PREPARED)

_NAMES: Final = ("isolation_level", "readonly", "deferrable")


class Settings:
    """The settings of a connection at one moment."""

    def __init__(self, conn: Connection) -> None:
        self._characteristics = _characteristics(conn)
        self._cursor_factory = conn.cursor_factory
        # Typecasters registered on this connection alone (``register_type(type, conn)``).
        self._casters = dict(conn.string_types), dict(conn.binary_types)
        self._notices, self._notifies = conn.notices, conn.notifies
        # What somebody else has put in their place may keep nothing, and have nothing to clear.
        self._noticed, self._notified = map(_cleared_by, (conn.notices, conn.notifies))
        self._encoding = conn.encoding
        #: What the server is to be told again after a reset: names and values.
        self.on_server: list[tuple[str, str]] = []

    def hold(self, conn: Connection) -> bool:
        """Return whether what may change without a touch is as it was."""
        strings, binaries = self._casters
        return (
            conn.autocommit == self._characteristics[0]
            and conn.string_types == strings
            and conn.binary_types == binaries
            and not self._noticed
            and not self._notified
            and _status(conn) != STATUS_BEGIN  # as `believes_in_one` does, in line
        )

    def restore(self, conn: Connection) -> None:
        """Put them back. Costs a round trip only where psycopg2 itself told the server of them:
        of the encoding, and of isolation and the like under autocommit.

        Raises `PoolError` for a transaction that was left prepared (two-phase).
        """
        if _status(conn) == STATUS_PREPARED:
            refuse_prepared(conn)
        self.begin_as_before(conn)
        if conn.encoding != self._encoding:
            # Past ours, which would touch; the server's reset is nothing that psycopg2 would see.
            plain_connection.set_client_encoding(conn, self._encoding)
        if conn.cursor_factory is not self._cursor_factory:
            conn.cursor_factory = self._cursor_factory
        for casters, kept in zip(
            (conn.string_types, conn.binary_types), self._casters, strict=True
        ):
            if casters != kept:
                casters.clear()
                casters.update(kept)
        if _notices(conn) is not self._notices:
            conn.notices = self._notices
        if _notifies(conn) is not self._notifies:
            conn.notifies = self._notifies
        # What the last borrower was told is not the next one's business.
        self._noticed.clear()
        self._notified.clear()

    def begin_as_before(self, conn: Connection) -> None:
        """Put back what transactions are begun with, and whether any are; see `restore`."""
        now = _characteristics(conn)
        if now == self._characteristics:
            return
        autocommit, *kept = self._characteristics
        # Not the others, since psycopg2 would tell the server of them too, which may have what was
        # set there by SQL.
        changes = {
            name: _or_default(before)
            for name, before, found in zip(_NAMES, kept, now[1:], strict=True)
            if before != found
        }
        if changes:
            conn.set_session(**changes, autocommit=autocommit)
        else:
            conn.autocommit = autocommit


def believes_in_one(conn: Connection) -> bool:
    """Return whether psycopg2 itself has begun a transaction, or prepared one, and seen no end."""
    return _status(conn) in _IN_ONE


def refuse_prepared(conn: Connection) -> None:
    """Raise `PoolError` for a transaction that was left prepared (two-phase)."""
    if _status(conn) == STATUS_PREPARED:
        raise PoolError(f"a transaction was left prepared, xid {str(conn.tpc_xid)!r}")


@contextmanager
def autocommitting(conn: Connection) -> Iterator[None]:
    """Run the block in autocommit; afterwards all is as it was. No round trip.

    Isolation, read-only and deferrable are set aside meanwhile: when psycopg2 leaves
    autocommit with one of them set, it resets the server's default for it.
    """
    if conn.autocommit:
        yield
        return
    _, isolation_level, readonly, deferrable = _characteristics(conn)
    conn.set_session(isolation_level="default", readonly="default", deferrable="default")
    conn.autocommit = True
    try:
        yield
    finally:
        if not conn.closed:
            conn.autocommit = False
            conn.set_session(
                isolation_level=_or_default(isolation_level),
                readonly=_or_default(readonly),
                deferrable=_or_default(deferrable),
            )


def _characteristics(conn: Connection) -> Characteristics:
    return conn.autocommit, conn.isolation_level, conn.readonly, conn.deferrable


def _cleared_by(told: Any) -> Any:
    """Return what holds the notices or notifications that *told* was given."""
    return told if hasattr(told, "clear") else []


def _or_default(value: Any) -> Any:
    """Return *value* as ``set_session`` wants it, where None means "leave it alone"."""
    return "default" if value is None else value
