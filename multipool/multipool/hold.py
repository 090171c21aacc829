"""``with pool.hold()``: what runs in the block runs on one connection.

For those who borrow one for each statement (`Pool.execute`, `Pool.cursor`, and the Django
backends with ``hold="transaction"``), where something in the session must be there for the
next statement too.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from multipool.inner import Inner
from multipool.slot import Slot

if TYPE_CHECKING:
    from multipool.pool import Pool

# A context variable, so that a hold reaches what async code runs for it in a thread.
_holds: Final[ContextVar[tuple[Hold, ...]]] = ContextVar("multipool_holds")
_NONE: Final[tuple[Hold, ...]] = ()


def hold_of(inner: Inner) -> Hold | None:
    """Return the hold of a pool in whose block the caller is, the outermost."""
    for hold in _holds.get(_NONE):
        if hold.inner is inner:
            return hold
    return None


class Hold:
    """The context manager behind `Pool.hold`."""

    _token: Token[tuple[Hold, ...]]

    def __init__(self, pool: Pool) -> None:
        self._pool = pool  # kept alive for as long as its connection is out
        self.inner = pool._inner
        # What is to be done at the end, by who asked for it; see `at_end`.
        self._ends: dict[object, Callable[[], object]] = {}
        self._conn: Any = None
        self._serial = 0

    def __enter__(self) -> None:
        self._token = _holds.set((*_holds.get(_NONE), self))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _holds.reset(self._token)
        ends, self._ends = self._ends, {}
        try:
            for end in ends.values():
                end()
        finally:
            self._let_go(commit=kind is None)

    def at_end(self, who: object, function: Callable[[], object]) -> None:
        """Call *function* when the block ends; *who* asks twice is heard once."""
        self._ends[who] = function

    def connection(self, timeout: float | None, depth: int) -> Any:
        """Return the block's connection, checked out for who calls *depth* frames above."""
        if self._conn is None:
            self._conn = self.inner.getconn(timeout, depth + 1)
            self._serial = self._conn._multipool_slot.serial
        return self._conn

    def _let_go(self, *, commit: bool) -> None:
        conn, self._conn = self._conn, None
        if conn is None:
            return
        slot: Slot | None = conn._multipool_slot
        if slot is None or slot.serial != self._serial or not slot.leased:
            return  # closed meanwhile
        try:
            if commit and self.inner.status(conn):
                self.inner.driver.commit(conn)
        finally:
            slot.end(conn, self._serial)
