"""Single-use proxies: with ``strict=True`` a lease that has ended can no longer be used.

The object that a pool usually lends is the connection itself, so a reference that somebody
kept meets the next borrower's transaction. Here each lease is a proxy, and so is what it is
asked for that goes on using the connection: its cursors, methods, rows that are still to come,
and blocks. They forward everything and raise `ConnectionNotLeased` once the lease is over. That
costs some Python calls for each use, and C functions that want the driver's own object
(``register_type``, ``execute_values``) are given ``proxy.unwrap()``. No proxies are psycopg2's
large objects, and the cursor that an error of its tells.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ContextDecorator
from functools import partial, wraps
from types import GeneratorType
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

    def _single_use(self, value: Any) -> Any:
        """Return *value*, or a proxy of it if it would go on using the connection."""
        if value is self._target:
            return self
        proxy: type[_Proxy]
        if value is self._slot.conn_ref():
            proxy = LeasedConnection
        elif hasattr(type(value), "fetchone"):
            proxy = LeasedCursor
        # Not more than what functions of the drivers' make: a row may be anything.
        elif isinstance(value, GeneratorType):
            proxy = _Rows
        elif isinstance(value, AbstractContextManager) and isinstance(value, ContextDecorator):
            proxy = _Block
        else:
            return value
        return proxy(value, self._slot, self._serial)

    def _call(self, name: str, /, *args: Any, **options: Any) -> Any:
        return self._single_use(getattr(self.unwrap(), name)(*args, **options))

    def __getattr__(self, name: str) -> Any:
        if name in _OWN:  # it was made without, as `copy` makes objects
            raise AttributeError(name)
        target = self.unwrap()
        found = getattr(target, name)
        if getattr(found, "__self__", None) is target:  # a method, which may be called later
            return partial(self._call, name)
        return self._single_use(found)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN:
            object.__setattr__(self, name, value)
        else:
            setattr(self.unwrap(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.unwrap(), name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {type(self._target).__name__}>"


class _Rows(_Proxy):
    """What is read from the connection as somebody asks for it."""

    __slots__ = ()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self._single_use(next(self.unwrap()))


class _With(_Proxy):
    """A context manager. What it has for its block is the driver's own, but for itself."""

    __slots__ = ()

    def __enter__(self) -> Any:
        found = self.unwrap().__enter__()
        return self if found is self._target else found

    def __exit__(self, *error: Any) -> Any:
        return self.unwrap().__exit__(*error)


class _Block(_With):
    """One that is a decorator too."""

    __slots__ = ()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def within(*args: Any, **options: Any) -> Any:
            return self.unwrap()(function)(*args, **options)

        return within


class LeasedCursor(_With, _Rows):
    """A cursor of a leased connection."""

    __slots__ = ()

    def __iter__(self) -> Any:
        return self._single_use(iter(self.unwrap()))


class LeasedConnection(_With):
    """A leased connection."""

    __slots__ = ()

    def close(self) -> None:
        """Give the connection back."""
        self.unwrap().close()


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
