"""Single-use proxies: with ``strict=True`` a lease that has ended can no longer be used.

The object that a pool usually lends is the connection itself, so a reference that somebody
kept meets the next borrower's transaction. Here each lease, and each cursor of it, is a
proxy that forwards everything and raises `ConnectionNotLeased` once the lease is over. It
costs a Python call for each use, and C functions that want the driver's own object
(``register_type``, ``execute_values``) are given ``proxy.unwrap()``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from multipool.errors import ConnectionNotLeased
from multipool.inner import Inner
from multipool.lease import Lease

_OWN = frozenset(["_target", "_slot", "_serial"])


class _Proxy:
    """Forwards everything to an object that belongs to one lease."""

    __slots__ = ("__weakref__", "_serial", "_slot", "_target")

    def __init__(self, target: Any, slot: Any, serial: int) -> None:
        self._target = target
        self._slot = slot
        self._serial = serial

    def unwrap(self) -> Any:
        """Return the driver's own object. Raises `ConnectionNotLeased` after the lease's end."""
        slot = self._slot
        if slot.serial != self._serial or not slot.leased:
            pool = slot.home()
            text = "this lease has ended; its connection may be another's now"
            raise (
                ConnectionNotLeased(text) if pool is None else pool.error(ConnectionNotLeased, text)
            )
        return self._target

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unwrap(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN:
            object.__setattr__(self, name, value)
        else:
            setattr(self.unwrap(), name, value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {type(self._target).__name__}>"


class LeasedCursor(_Proxy):
    """A cursor of a leased connection."""

    __slots__ = ()

    def execute(self, *args: Any, **options: Any) -> Any:
        """Execute as the driver does; where that returns the cursor, this one is returned."""
        target = self.unwrap()
        result = target.execute(*args, **options)
        return self if result is target else result

    @property
    def connection(self) -> LeasedConnection:
        """The lease that the cursor belongs to."""
        self.unwrap()
        return LeasedConnection(self._slot.conn_ref(), self._slot, self._serial)

    def __enter__(self) -> Self:
        self.unwrap().__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self.unwrap().__exit__(*error)

    def __iter__(self) -> Any:
        return iter(self.unwrap())

    def __next__(self) -> Any:
        return next(self.unwrap())


class LeasedConnection(_Proxy):
    """A leased connection."""

    __slots__ = ()

    def cursor(self, *args: Any, **options: Any) -> LeasedCursor:
        """Return the driver's cursor, as single-use as the lease."""
        return LeasedCursor(self.unwrap().cursor(*args, **options), self._slot, self._serial)

    def execute(self, *args: Any, **options: Any) -> LeasedCursor:
        """Execute on a new cursor and return it, where the driver has that."""
        return LeasedCursor(self.unwrap().execute(*args, **options), self._slot, self._serial)

    def close(self) -> None:
        """Give the connection back."""
        self.unwrap().close()

    def __enter__(self) -> Self:
        self.unwrap().__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self.unwrap().__exit__(*error)


class StrictLease(Lease):
    """The context manager behind a strict pool's ``connection``."""

    __slots__ = ()

    def __enter__(self) -> Any:
        # What is ended is the driver's own; the block has a proxy of it.
        self._lent = conn = self._inner.getconn(self._timeout, 2)
        slot = conn._multipool_slot
        self._serial = slot.serial
        return LeasedConnection(conn, slot, slot.serial)


def lay(inner: Inner) -> tuple[Callable[..., Any], Callable[[Any], None]]:
    """Return the ``getconn`` and the ``putconn`` of a strict pool."""

    def getconn(timeout: float | None = None, _depth: int = 1) -> Any:
        conn = inner.getconn(timeout, _depth + 1)
        slot = conn._multipool_slot
        return LeasedConnection(conn, slot, slot.serial)

    def putconn(conn: Any) -> None:
        inner.putconn(conn.unwrap() if isinstance(conn, LeasedConnection) else conn)

    return getconn, putconn
