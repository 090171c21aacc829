"""The places of one pool: the connections in them, and those who wait for one.

All decisions are made here, under one lock, and none of them talks to a server. The lock
is used as ``with places:``, and leaving that block brings idle connections and waiters
together. So a return need not wait for the lock: it pushes its connection and calls
`Places.match`, which gives up when the lock is taken, since whoever has it looks again
after releasing it. This is also what lets a finaliser return a connection while its own
thread is inside the pool.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType

from multipool.handoff import Waiter
from multipool.outage import Outage
from multipool.slot import Slot
from multipool.stats import Totals

if TYPE_CHECKING:
    from multipool.pool import Pool

#: What a thread may be given: an idle connection, or a place to open one in.
Grant = Any


class Places:
    """At most ``limit`` places, and a line of those who wait for one."""

    def __init__(self, limit: float, pool_ref: ReferenceType[Pool], totals: Totals) -> None:
        self.limit = limit
        #: Idle connections, the most recently used at the right.
        self.idle: deque[Any] = deque()
        self.waiting: deque[Waiter] = deque()
        #: All places taken, including those of connections being opened or closed.
        self.slots: set[Slot] = set()
        # Places whose connection was collected; filled by finalisers, so without the lock.
        self._orphans: deque[Slot] = deque()
        #: Set while the server does not answer: then one thread at a time may try to connect.
        self.outage: Outage | None = None
        self._prober: Slot | None = None
        self._lock = allocate_lock()
        self._pool_ref = pool_ref
        self._totals = totals

    def __enter__(self) -> None:
        self._lock.acquire()
        self._bury()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self.match()

    # -- with the lock held ----------------------------------------------------------

    def take(self) -> Grant | None:
        """Return an idle connection, else a new place, else None. The lock is held."""
        try:
            return self.idle.pop()
        except IndexError:
            return self.reserve()

    def reserve(self) -> Slot | None:
        """Return a new place if there is one to be had. The lock is held."""
        if not self._room():
            return None
        slot = Slot(self._pool_ref)
        self.slots.add(slot)
        if self.outage is not None:
            self._prober = slot
        return slot

    def _room(self) -> bool:
        return len(self.slots) < self.limit and (self.outage is None or self._prober is None)

    def probe(self, slot: Slot, error: Exception) -> Outage | None:
        """Note that no connection could be opened in *slot*, since the server does not answer.

        Returns the outage if *slot* is where the next attempt is to be made, else None: then
        somebody else makes it. The lock is held.
        """
        if self.outage is None:
            self.outage = Outage(error)
            self._prober = slot
        elif self._prober is slot:
            self.outage.go_on(error)
        return self.outage if self._prober is slot else None

    def recovered(self) -> Outage | None:
        """Note that the server answers again; return the outage that ends. The lock is held."""
        outage, self.outage, self._prober = self.outage, None, None
        return outage

    def line_up(self, *, first: bool) -> Waiter:
        """Join the end of the line, or its front, where one stood before. The lock is held.

        A connection that came back in the meantime is found when the lock is released: the
        returner pushes before it looks for waiters, and we look after having lined up.
        """
        waiter = Waiter()
        if first:
            self.waiting.appendleft(waiter)
        else:
            self.waiting.append(waiter)
        return waiter

    def _bury(self) -> None:
        """Free the places of collected connections. The lock is held."""
        while self._orphans:
            slot = self._orphans.popleft()
            if slot in self.slots:
                self._totals.add("lost", slot.leased)
                self._totals.add("closed")
                self._remove(slot)

    def _remove(self, slot: Slot) -> None:
        self.slots.discard(slot)
        if self._prober is slot:
            self._prober = None
        self._totals.add("checkouts", slot.serial)

    # -- without it ------------------------------------------------------------------

    def match(self) -> None:
        """Serve those who wait as far as there is something to give. Never blocks."""
        while self.waiting and (self.idle or self._orphans or self._room()):
            if not self._lock.acquire(False):
                return
            try:
                self._bury()
                while self.waiting:
                    grant = self.take()
                    if grant is None:
                        break
                    self.waiting.popleft().give(grant)
            finally:
                self._lock.release()

    def put(self, conn: Any) -> None:
        """Put a connection that is clean onto the idle stack, or into waiting hands."""
        self.idle.append(conn)
        if self.waiting:
            self.match()

    def pick(self, conn: Any) -> bool:
        """Take *conn* off the idle stack; return False if somebody was quicker."""
        try:
            self.idle.remove(conn)
        except ValueError:
            return False
        return True

    def leave(self, waiter: Waiter) -> None:
        """Step out of the line; what was given meanwhile goes to the next."""
        with self:
            if waiter in self.waiting:
                self.waiting.remove(waiter)
        grant = waiter.grant
        if isinstance(grant, Slot):
            self.vacate(grant)
        elif grant is not None and not isinstance(grant, BaseException):
            self.put(grant)

    def stand_by(self, until: float) -> Any | None:
        """Wait at the front of the line until the monotonic time *until*, holding a place already.

        Returns an idle connection if one comes back, else None. Raises what `shut` was told.
        """
        with self:
            waiter = self.line_up(first=True)
        try:
            waiter.wait(until - monotonic())
        except BaseException:
            self.leave(waiter)
            raise
        with self:
            if waiter.grant is None:
                self.waiting.remove(waiter)
        if isinstance(waiter.grant, BaseException):
            raise waiter.grant
        return waiter.grant

    def vacate(self, slot: Slot) -> None:
        """Free a place whose connection is gone or never came to be."""
        with self:
            self._remove(slot)

    def forgotten(self, slot: Slot) -> None:
        """Note that the connection in *slot* was collected.

        Called by its finaliser, wherever that runs: takes no lock.
        """
        self._orphans.append(slot)
        self.match()

    def spend(self) -> None:
        """Let no connection be lent again that is open now."""
        with self:
            for slot in self.slots:
                slot.spend()

    def leases(self) -> int:
        """Return how many leases the open connections have seen."""
        with self:
            return sum(slot.serial for slot in self.slots)

    def make_wary(self) -> None:
        """Let every connection be looked at before it is lent again."""
        with self:
            for slot in self.slots:
                slot.wary = True

    def shut(self, error: BaseException) -> None:
        """Give *error* to all who wait, and let no connection be lent again."""
        with self:
            while self.waiting:
                self.waiting.popleft().give(error)
        self.spend()
