"""``with pool.connection() as conn``: one lease, ended exactly once."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from multipool.borrower import here

if TYPE_CHECKING:
    from multipool.pool import Pool
    from multipool.slot import Slot


class Lease:
    """The context manager behind `Pool.connection`.

    A class with slots, since `contextlib.contextmanager` would cost several times the
    checkout itself.
    """

    __slots__ = ("_lent", "_pool", "_serial", "_slot", "_timeout")

    _pool: Pool
    _timeout: float | None

    def __enter__(self) -> Any:
        self._lent = lent = self._pool.getconn(self._timeout, 2)
        self._slot: Slot = lent._multipool_slot
        self._serial = self._slot.serial
        return lent

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        slot, pool = self._slot, self._pool
        conn = self._lent
        del self._lent  # the pool must be the only one to hold it, once it is back
        if slot.serial != self._serial or slot.borrower is None:
            return  # given back inside the block; by now it may be somebody else's
        if slot.wary:
            slot.former.discard(here.borrower)  # the number proves whose lease it is
        if kind is None and pool._status(conn):
            try:
                pool._driver.commit(conn)
            finally:
                pool.putconn(conn)
        else:
            pool.putconn(conn)
