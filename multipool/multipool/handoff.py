"""The queue of those who wait for a connection, first come, first served.

A returned connection goes straight to whoever waits longest; nobody who comes later
can snatch it away. The idea is that of Go's database/sql and of jackc/puddle; what is
ours is that a return never waits for the queue's lock (see `places`).
"""

from __future__ import annotations

from _thread import allocate_lock
from typing import Any, Final

from multipool.borrower import here

#: What a `Waiter` was given that has been fetched.
TAKEN: Final = object()


class Waiter:
    """One thread that waits, asleep on a lock of its own."""

    __slots__ = ("_lock", "borrower", "grant", "since")

    #: Monotonic time at which it began to wait.
    since: float

    def __init__(self) -> None:
        self._lock = lock = allocate_lock()
        lock.acquire()
        #: Who waits.
        self.borrower = here.borrower
        #: What it was given: a connection, a `Room` to open one in, `CLOSED` or `Refused`.
        #: Written once a wait, with the pool's lock held; `TAKEN` after that.
        self.grant: Any = None

    def give(self, grant: Any) -> None:
        """Hand *grant* over and wake the thread. The pool's lock is held."""
        self.grant = grant
        self._lock.release()

    def wait(self, timeout: float) -> bool:
        """Sleep until something is given; return False if *timeout* seconds went by before."""
        return self._lock.acquire(True, timeout)  # by position, which is quicker
