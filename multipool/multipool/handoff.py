"""The queue of those who wait for a connection, first come, first served.

A returned connection goes straight to whoever waits longest. The idea is that of Go's
database/sql and of jackc/puddle; what is ours is that a return never waits for the queue's lock
(see `places`), and what CPython's lock asks for: see `MOST`.
"""

from __future__ import annotations

from _thread import allocate_lock
from typing import Any, Final
from weakref import ref

from multipool.borrower import here

#: What a `Waiter` was given that has been fetched.
TAKEN: Final = object()

#: How often one may be overtaken in one wait, and overtake between two waits of its own. Who is
#: woken must get the interpreter's lock before it can do anything, and where all threads are at
#: work that takes longer than a query: all connections would be in the hands of threads that stand
#: in line for that lock. So one that asks, and runs, may have what was given to one that does not
#: run yet. Who is overtaken so often is so no more, and keeps its place in the line; and nobody
#: ever gets what it has just returned itself. A lease takes two turns of that lock where its thread
#: waited, and one where it overtook: if each might overtake only once between two waits, 32
#: threads on 10 connections would get a fifth fewer leases, and shares hardly more even.
MOST: Final = 8


class Waiter:
    """One thread that waits, asleep on a lock of its own."""

    __slots__ = (
        "__weakref__",
        "_lock",
        "borrower",
        "grant",
        "itself",
        "ours",
        "overtaken",
        "since",
    )

    #: Monotonic time at which it began to wait.
    since: float
    #: Whether it waits for the sake of the pool, as a claim does: that is no user who waits.
    ours: bool

    def __init__(self) -> None:
        self._lock = lock = allocate_lock()
        lock.acquire()
        #: Who waits.
        self.borrower = here.borrower
        #: What it was given: a connection, a `Room` to open one in, `CLOSED` or `Refused`.
        #: Written with the pool's lock held, until the thread itself writes `TAKEN`.
        self.grant: Any = None
        #: How often it was overtaken in this wait.
        self.overtaken = 0
        #: For those who must not keep it alive, and with it what it was given.
        self.itself = ref(self)

    def give(self, grant: Any) -> None:
        """Hand *grant* over and wake the thread. The pool's lock is held."""
        self.grant = grant
        if self._lock.locked():  # else it was woken already, and has been overtaken since
            self._lock.release()

    def wait(self, timeout: float) -> bool:
        """Sleep until something is given; return False if *timeout* seconds went by before.

        Somebody may have overtaken it by the time it wakes.
        """
        return self._lock.acquire(True, timeout)  # by position, which is quicker
