"""``pool.cursor()``: a cursor for which any connection will do.

PgBouncer's pooling by the statement, in the process: each statement is a transaction of its
own, on whichever connection is idle, which is idle again when the rows have been read.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from multipool.buffered import BufferedCursor
from multipool.hold import block_of

if TYPE_CHECKING:
    from multipool.pool import Pool

# What a connection begins its transactions with, by the names of the drivers. In autocommit,
# where there is no BEGIN, they would not be heard.
_CHARACTERISTICS: Final = ("isolation_level", "readonly", "read_only", "deferrable")


class PoolCursor(BufferedCursor):
    """Borrows a connection for each statement, and reads all of its rows.

    Args:
        pool: Where from. It is kept alive.
        timeout: Seconds that a statement may wait for a connection; None: the pool's.

    Raises what `Pool.getconn` raises, and the driver's errors. The cursor of the driver is not
    to be had: it belongs to the connection.
    """

    def __init__(self, pool: Pool, timeout: float | None = None) -> None:
        self._pool = pool
        self._timeout = timeout
        self._rows = None
        self.arraysize = 1
        self.closed = False
        #: As PEP 249 has them, of the last statement.
        self.description: Any = None
        self.rowcount = -1

    def execute(self, sql: Any, params: Any = None, _depth: int = 1) -> Self:
        """Execute *sql*, with *params* in the driver's placeholders; return this cursor."""
        given = (sql,) if params is None else (sql, params)
        self._run("execute", given, _depth + 1)
        return self

    def executemany(self, sql: Any, params: Iterable[Any], _depth: int = 1) -> Self:
        """Execute *sql* for each of *params*; return this cursor.

        In one transaction, but for connections that `configure` left in autocommit.
        """
        self._run("executemany", (sql, params), _depth + 1)
        return self

    def _run(self, method: str, given: tuple[Any, ...], depth: int) -> None:
        if self.closed:
            raise self._pool.driver.InterfaceError("the cursor is closed")
        self._rows, self.description, self.rowcount = None, None, -1
        inner = self._pool._inner
        while (block := block_of(inner)) is not None:
            with block.turn:
                if not block.over:
                    self._run_on(block.connection(self._timeout, depth + 1), method, given)
                    return
        conn = inner.getconn(self._timeout, depth + 1)
        serial = conn._multipool_slot.serial
        try:
            self._run_on(conn, method, given)
        finally:
            slot = conn._multipool_slot
            if slot is not None:  # else it was closed, as in a forked child
                slot.end(conn, serial)

    def _run_on(self, conn: Any, method: str, given: tuple[Any, ...]) -> None:
        driver = self._pool.driver
        # One that executemany() shares is one for all of them or none.
        alone = method == "execute" and not driver.status(conn) and _may_be_alone(conn)
        with _autocommit(conn, driver.status) if alone else _transaction(conn, driver):
            cursor = conn.private_cursor()
            try:
                getattr(cursor, method)(*given)
                self.description, self.rowcount = cursor.description, cursor.rowcount
                if self.description is not None:
                    self._rows, self._at = cursor.fetchall(), 0
            finally:
                cursor.close()

    def _nothing_to_fetch(self) -> Exception:
        reason = "the cursor is closed" if self.closed else "there is no result to fetch"
        return self._pool.driver.InterfaceError(reason)

    def close(self) -> None:
        """Drop the rows; the cursor is of no more use."""
        self.closed = True
        self._rows = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _may_be_alone(conn: Any) -> bool:
    """Return whether a statement means the same in autocommit, which saves BEGIN and COMMIT."""
    return hasattr(conn, "autocommit") and all(
        getattr(conn, name, None) is None for name in _CHARACTERISTICS
    )


class _autocommit:  # noqa: N801  # used as a function; @contextmanager costs several times it
    """Have *conn* in autocommit for a block, and as it was afterwards."""

    __slots__ = ("_conn", "_status", "_was")

    def __init__(self, conn: Any, status: Any) -> None:
        self._conn = conn
        self._status = status

    def __enter__(self) -> None:
        self._was = self._conn.autocommit
        if not self._was:
            self._conn.autocommit = True

    def __exit__(self, *error: object) -> None:
        # In a transaction that the statement has begun (BEGIN) it stays, for the next one.
        if not self._was and not self._status(self._conn):
            self._conn.autocommit = False


class _transaction:  # noqa: N801
    """End the transaction that a block of statements begins on *conn*."""

    __slots__ = ("_conn", "_driver", "_ours")

    def __init__(self, conn: Any, driver: Any) -> None:
        self._conn = conn
        self._driver = driver
        self._ours = False

    def __enter__(self) -> None:
        self._ours = not self._driver.status(self._conn)

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        conn, driver = self._conn, self._driver
        if self._ours and (driver.status(conn) or driver.is_behind(conn)):
            if kind is None:
                driver.commit(conn)
            else:
                driver.rollback(conn)
