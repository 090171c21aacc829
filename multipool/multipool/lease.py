"""``with pool.connection() as conn``: one lease, ended exactly once."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multipool.pool import Pool
    from multipool.slot import Slot


class Lease:
    """The context manager behind `Pool.connection`.

    A class with slots, since `contextlib.contextmanager` would cost several times the
    checkout itself.
    """

    __slots__ = ("_lent", "_pool", "_serial", "_slot", "_timeout")

    def __init__(self, pool: Pool, timeout: float | None) -> None:
        self._pool = pool
        self._timeout = timeout

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
        slot, serial, pool = self._slot, self._serial, self._pool
        if slot.serial != serial or slot.borrower is None or slot.conn_ref is None:
            return  # given back inside the block; by now it may be somebody else's
        conn = slot.conn_ref()  # the driver's own, where a strict pool lent a proxy
        del self._lent  # the pool must be the only one to hold it, once it is back
        try:
            if kind is None and pool._status(conn):
                pool._driver.commit(conn)
        finally:
            slot.end(conn, serial)
