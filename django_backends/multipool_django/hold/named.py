"""Cursors whose rows stay on the server, and the connection with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

from multipool_django.hold.forwarding import forwarding

if TYPE_CHECKING:
    from multipool_django.hold.connection import OnDemandConnection


@forwarding("arraysize", "itersize", "row_factory", "tzinfo_factory", "format")
class OnDemandNamedCursor:
    """Stands where Django keeps a driver's named cursor, from which it reads in pieces.

    The connection is checked out when the cursor is declared, and stays at least until it is
    closed; outside of a transaction Django declares it WITH HOLD.

    Args:
        stand_in: Where the connection comes from.
        make: Called with it, makes the driver's cursor.
    """

    __slots__ = ("_closed", "_make", "_serial", "_stand_in", "_theirs", "_theirs_on")

    def __init__(self, stand_in: OnDemandConnection, make: Callable[[Any], Any]) -> None:
        self._stand_in = stand_in
        self._make = make
        # The driver's cursor, and the lease that it was made in: of which connection, which one.
        self._theirs: Any = None
        self._theirs_on: Any = None
        self._serial = 0
        self._closed = False

    def execute(self, sql: Any, *args: Any, **options: Any) -> Any:
        """Declare the cursor, as the driver does."""
        stand_in = self._stand_in
        with stand_in._turn:
            stand_in._running += 1
            try:
                conn = stand_in._borrow()
                theirs = self._cursor()
                result = theirs.execute(sql, *args, **options)
                if conn.autocommit:
                    stand_in._open.add(self)
            finally:
                stand_in._running -= 1
                stand_in._let_go()
        return self if result is theirs else result

    @property
    def closed(self) -> bool:
        """Whether the cursor is of no more use."""
        return self._closed or (self._theirs is not None and bool(self._theirs.closed))

    def close(self) -> None:
        """Close the cursor, on the server too unless its connection went back already."""
        stand_in = self._stand_in
        with stand_in._turn:
            if self._closed:
                return
            self._closed = True
            try:
                if self._theirs is not None:
                    if self._is_there():
                        self._theirs.close()
                    elif hasattr(self._theirs, "_closed"):
                        # psycopg warns of one that was not closed; there is nothing to close.
                        self._theirs._closed = True
                stand_in._open.discard(self)
            finally:
                stand_in._let_go()

    def _is_there(self) -> bool:
        stand_in = self._stand_in
        return stand_in._lent is self._theirs_on and stand_in._serial == self._serial

    def _cursor(self) -> Any:
        """Return the driver's cursor; the caller has the turn."""
        stand_in = self._stand_in
        if self._closed:
            raise stand_in.interface_error("cursor already closed")
        if self._theirs is None:
            conn = stand_in._borrow()
            self._theirs = self._make(conn)
            self._theirs_on, self._serial = conn, stand_in._serial
        elif stand_in._ended:
            raise stand_in.interface_error("connection already closed")
        elif not self._is_there():
            raise stand_in.interface_error(
                "the transaction of this cursor is over, and its connection went back"
            )
        return self._theirs

    def __iter__(self) -> Iterator[Any]:
        return iter(self.unwrap())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # protocols that nobody means to be the driver's
            raise AttributeError(name)
        return getattr(self.unwrap(), name)

    def unwrap(self) -> Any:
        """Return the driver's own cursor."""
        stand_in = self._stand_in
        with stand_in._turn:
            # For one whose connection went back nothing is borrowed.
            if (self._theirs is None or self._is_there()) and self not in stand_in._open:
                stand_in.unwrap()
            return self._cursor()
