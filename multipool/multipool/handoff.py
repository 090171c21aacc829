"""The queue of those who wait for a connection, first come, first served.

A returned connection goes straight to whoever waits longest; nobody who comes later
can snatch it away. The idea is that of Go's database/sql and of jackc/puddle; what is
ours is that a return never waits for the queue's lock (see `places`).
"""

from __future__ import annotations

from _thread import allocate_lock
from time import monotonic
from typing import Any

from multipool.borrower import here


class Waiter:
    """One thread that waits, asleep on a lock of its own."""

    __slots__ = ("_lock", "borrower", "grant", "ours", "since")

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._lock.acquire()
        #: Who waits.
        self.borrower = here.borrower
        #: Whether it waits for the sake of the pool, not of the application.
        self.ours = False
        #: Monotonic time at which it began to wait.
        self.since = monotonic()
        #: What it was given: a connection, a `Room` to open one in, `CLOSED`
        #: or `Refused`.
        #: Written once, with the pool's lock held.
        self.grant: Any = None

    def give(self, grant: Any) -> None:
        """Hand *grant* over and wake the thread. The pool's lock is held."""
        self.grant = grant
        self._lock.release()

    def wait(self, timeout: float) -> None:
        """Sleep until something is given, or for *timeout* seconds."""
        self._lock.acquire(timeout=timeout)
