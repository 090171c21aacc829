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

    __slots__ = ("_conn", "_pool", "_serial", "_timeout")

    def __init__(self, pool: Pool, timeout: float | None) -> None:
        self._pool = pool
        self._timeout = timeout

    def __enter__(self) -> Any:
        self._conn = conn = self._pool.getconn(self._timeout, 2)
        self._serial = conn._multipool_slot.serial
        return conn

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        conn, pool = self._conn, self._pool
        del self._conn  # the pool must be the only one to hold it, once it is back
        slot: Slot | None = conn._multipool_slot
        if slot is None or not slot.leased or slot.serial != self._serial:
            return  # given back inside the block; by now it may be somebody else's
        try:
            if kind is None and pool._status(conn):
                pool._driver.commit(conn)
        finally:
            pool.putconn(conn)
