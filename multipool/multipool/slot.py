"""What the pool knows of one physical connection, and of its current lease."""

from __future__ import annotations

from types import CodeType
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, ref

from multipool.borrower import Borrower
from multipool.errors import ConnectionNotLeased

if TYPE_CHECKING:
    from multipool.pool import Pool

#: ``Slot.expires`` of a connection that must not be lent again: dead, drained, too many.
#: One comparison at checkout and return covers these and the lifetime.
SPENT = float("-inf")


class Slot:
    """One place in a pool: a connection, or the right to open one.

    The pool holds a leased connection only weakly, so that one its borrower lost is
    noticed when it is collected. Only the thread that has the connection to itself
    writes here, but for ``expires``, which anybody may set to `SPENT`.
    """

    __slots__ = (
        "born",
        "borrower",
        "code",
        "conn_ref",
        "expires",
        "lasti",
        "leased",
        "pool_ref",
        "serial",
        "settings",
        "since",
    )

    def __init__(self, pool_ref: ReferenceType[Pool]) -> None:
        self.pool_ref = pool_ref
        #: The connection, once there is one.
        self.conn_ref: ReferenceType[Any] | None = None
        #: Monotonic time at which the connection was opened.
        self.born = 0.0
        #: Monotonic time after which it is not lent again.
        self.expires = SPENT
        #: What the driver remembered of its settings after ``configure``.
        self.settings: Any = None
        self.leased = False
        #: Counts the leases: whoever noted it can tell whether a lease is still theirs.
        self.serial = 0
        #: Monotonic time of the last checkout while leased, of the return while idle.
        self.since = 0.0
        #: Who borrowed it, and where in the code.
        self.borrower: Borrower | None = None
        self.code: CodeType | None = None
        self.lasti = 0

    def attach(self, conn: Any, now: float, expires: float) -> None:
        """Take *conn*, just opened, into this place."""
        pool_ref = self.pool_ref

        def collected(_: object, slot: Slot = self) -> None:
            # Runs wherever the collector happens to run: no lock may be taken here.
            pool = pool_ref()
            if pool is not None:
                pool._places.forgotten(slot)

        self.conn_ref = ref(conn, collected)
        self.born = self.since = now
        self.expires = expires
        conn._multipool_slot = self

    def detach(self, conn: Any) -> None:
        """Let go of *conn*: from here on its ``close`` closes it for good."""
        self.conn_ref = None
        self.expires = SPENT
        conn._multipool_slot = None

    def give_back(self, conn: Any) -> None:
        """Return *conn* to its pool; called by its own ``close``."""
        pool = self.pool_ref()
        if pool is not None:
            pool.putconn(conn)
        elif self.leased:
            # The pool was dropped while this was out: nobody is left to keep it.
            self.leased = False
            self.detach(conn)
            conn.close()
        else:
            raise ConnectionNotLeased("this connection's pool is gone")

    def where(self) -> str:
        """Return the line of code that checked the connection out, as ``file.py:12 in name``."""
        code = self.code
        if code is None:
            return "unknown"
        return f"{code.co_filename}:{_line(code, self.lasti)} in {code.co_name}"


def _line(code: CodeType, lasti: int) -> int:
    # Looked up only when somebody asks: at checkout this would cost more than the rest.
    for start, end, line in code.co_lines():
        if start <= lasti < end and line is not None:
            return line
    return code.co_firstlineno
