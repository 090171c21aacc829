"""The places of one pool: the connections in them, and those who wait for one.

All decisions are made here, under one lock, and none of them talks to a server. Whoever
had the lock calls `Places.match` after releasing it, which brings idle connections and
waiters together. So a return need not wait for the lock: it pushes its connection and calls
`match`, which gives up when the lock is taken. This is also what lets a finaliser return a
connection while its own thread is inside the pool; who would have to wait for the lock there
asks `amid` first.

An interrupt may strike anywhere. The lock is used as ``with places.lock:`` alone, since only
there none can come between taking it and the block; what is given is lost to nobody when
its last reference goes, since then its place is free (see `Room` and `Slot.attach`); and one
who waits looks around now and then, lest a wake-up was interrupted.
"""

from __future__ import annotations

import gc
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from weakref import ReferenceType

from multipool.amid import is_own
from multipool.borrower import here
from multipool.handoff import MOST, TAKEN, Waiter
from multipool.outage import Outage
from multipool.slot import Home, Slot
from multipool.stats import Totals

if TYPE_CHECKING:
    from multipool.budget.stake import Stake

#: What a thread may be given: an idle connection, or a `Room` to open one in.
Grant = Any

#: Given to those who wait when the pool is closed.
CLOSED: Final = object()

#: Seconds after which one who waits looks around; and where nobody else asks for a share.
_LOOK_AROUND: Final = 0.5
_LOOK_AFTER_SHARE: Final = 0.1

#: Seconds at least between two collections of garbage for the sake of a lost connection, at
#: first and while nothing changes.
_SELDOM: Final = 1.0
_LONGEST: Final = 60.0

#: How many are looked at of those who may be overtaken.
_SERVED: Final = 16


class Room:
    """The right to open a connection in ``slot``; whoever drops it unused gives it back."""

    _places: Places | None = None

    def __init__(self, places: Places, slot: Slot) -> None:
        self.slot = slot
        self._places = places

    def __del__(self) -> None:
        if self._places is not None and not self.slot.born:
            self._places.vacate(self.slot)


class Refused:
    """Given to those who wait where nothing says that waiting will help."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class Places:
    """At most ``limit`` places, and a line of those who wait for one."""

    def __init__(self, limit: float, home: Callable[[], Home | None], totals: Totals) -> None:
        self.limit = limit
        self._home = home
        self._totals = totals
        #: Idle connections, the most recently used at the right.
        self.idle: deque[Any] = deque()
        self.waiting: deque[Waiter] = deque()
        # Those who were given something last, as far as they live: who may be overtaken.
        self._served: deque[ReferenceType[Waiter]] = deque(maxlen=_SERVED)
        #: All places taken, including those of connections being opened or closed. Changed
        #: with the lock held; ``list(slots)`` is one step, and needs none.
        self.slots: set[Slot] = set()
        #: Places that are free again; filled by finalisers too, so without the lock.
        self.vacant: deque[Slot] = deque()
        #: Leases that nobody ended: their connection was collected. For upkeep to report.
        self.lost: deque[Slot] = deque()
        #: Whether the pool was closed.
        self.closed = False
        #: What it has of a budget, if there is one.
        self.stake: Stake | None = None
        #: Set while the server does not answer: then one thread at a time may try to connect.
        self.outage: Outage | None = None
        self._prober: Slot | None = None
        # Monotonic time before which no garbage is collected, and the pause after that; the
        # leases there had been at the last look, and since when there have been no more.
        self._seek_again = 0.0
        self._pause = _SELDOM
        self._seen_leases = -1
        self._still_since = 0.0
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget everything: in a forked child all of it is the parent's."""
        #: Taken for decisions only; leaving it calls for a `match`.
        self.lock = allocate_lock()
        for content in (self.idle, self.waiting, self.slots, self.vacant, self.lost):
            content.clear()
        self._served.clear()
        self.outage = self._prober = None

    # -- with the lock held ----------------------------------------------------------

    def take(self) -> Grant | None:
        """Return an idle connection, else a place to open one in, else None. The lock is held."""
        # Asked first, since an exception costs more; and somebody may be quicker all the same.
        if self.idle:
            try:  # suppress() costs ten times as much, and every waiter's turn comes by
                return self.idle.pop()
            except IndexError:
                pass
        return self.reserve()

    def reserve(self) -> Room | None:
        """Return a place to open a connection in, if there is one. The lock is held."""
        if self.vacant:
            self.reclaim()
        if not self._space():
            return None
        room = Room(self, Slot(self._home))
        self.slots.add(room.slot)
        if self.outage is not None:
            self._prober = room.slot
        return room

    def _space(self) -> bool:
        return (
            len(self.slots) < self.limit
            and (self.outage is None or self._prober is None)
            and (self.stake is None or self.stake.may_open(len(self.slots)))
        )

    def reclaim(self) -> None:
        """Free the places that were vacated. The lock is held."""
        while self.vacant:
            slot = self.vacant[0]
            if slot in self.slots:
                self.slots.discard(slot)
                if self._prober is slot:
                    self._prober = None
                self._totals.add("closed", slot.born > 0)
                if slot.leased:
                    self._totals.add("lost")
                    if self.stake is not None:
                        self.stake.doubt()
                    self.lost.append(slot)
                self._totals.add("checkouts", slot.serial)
            self.vacant.popleft()  # last, lest an interrupt come in between

    def overtake(self) -> Any | None:
        """Return a connection that was given to one who has not run since. The lock is held.

        That one is at the front of the line again. None if there is none, or if it is not the
        caller's turn to do so: see `handoff.MOST`.
        """
        me, served = here.borrower, self._served
        if me.overtook >= MOST:
            return None
        for _ in range(len(served)):
            waiter = served.pop()()
            grant: Grant = None if waiter is None else waiter.grant
            if waiter is None or waiter.overtaken >= MOST or not _is_connection(grant):
                continue
            if grant._multipool_slot.borrower is me:  # who has just returned it
                served.appendleft(waiter.itself)
                continue
            # In the line before it has nothing, so that an interrupt cannot leave it out.
            self.waiting.appendleft(waiter)
            grant = waiter.grant
            if grant is not TAKEN:  # no call in between, else it might fetch it
                waiter.grant = None
                waiter.overtaken += 1
                me.overtook += 1
                return grant
            self.waiting.remove(waiter)
        return None

    def line_up(self, since: float, first: bool = False, ours: bool = False) -> Waiter:
        """Join the end of the line, or its front, where one stood before. The lock is held.

        *ours*: for the sake of the pool, not of a user.

        A connection that came back in the meantime is found when the lock is released: the
        returner pushes before it looks for waiters, and we look after having lined up.
        """
        waiter: Waiter | None = here.waiter
        if waiter is None:
            waiter = Waiter()
        else:  # one for each wait would cost a sixth of what is done for it
            here.waiter = None
            waiter.grant = None
            waiter.overtaken = 0
        waiter.since = since
        waiter.ours = ours
        if first:
            self.waiting.appendleft(waiter)
        else:
            self.waiting.append(waiter)
        return waiter

    # -- without it ------------------------------------------------------------------

    def match(self) -> None:
        """Serve those who wait as far as there is something to give. Never waits for them."""
        # Those who wait and those who return come by here, as a rule with every place taken.
        while self.vacant or (
            self.waiting and (self.idle or (len(self.slots) < self.limit and self._space()))
        ):
            if self.lock.locked():
                return  # whoever has it comes by here; it may be this very thread
            with self.lock:
                if self.vacant:
                    self.reclaim()
                if self.waiting:
                    # One at a time, since as a rule there is one connection.
                    waiter = self.waiting[0]
                    if waiter.grant is None:  # else an interrupt kept it in the line
                        grant = self.take()
                        if grant is None:
                            continue
                        waiter.give(grant)
                        self._served.append(waiter.itself)
                    self.waiting.popleft()

    def pick(self, conn: Any) -> bool:
        """Take *conn* off the idle stack; return False if somebody was quicker."""
        try:
            self.idle.remove(conn)
        except ValueError:
            return False
        return True

    def wait(self, waiter: Waiter, until: float) -> Grant | None:
        """Sleep until *waiter* is given something, and return that; None at the time *until*.

        After that, or after an exception, *waiter* is in the line no more, and what it was
        given all the same at the last moment has gone to the next.
        """
        left = until - waiter.since
        patience = left / 2 if left < 2 * _LOOK_AROUND else _LOOK_AROUND
        try:
            while not self.closed and left > 0:
                woken = waiter.wait(patience if patience < left else left)
                grant = waiter.grant
                if grant is not None:  # no call in between, else one might overtake
                    waiter.grant = TAKEN
                    waiter.borrower.overtook = 0
                    here.waiter = waiter
                    return grant
                if not woken:
                    patience = _LOOK_AROUND
                    self._seek_lost()
                    self.match()
                    if self.stake is not None:
                        patience = self._look_after(self.stake)
                left = until - monotonic()
            return self._leave(waiter)
        except BaseException:
            self._pass_on(self._leave(waiter))
            raise

    def _look_after(self, stake: Stake) -> float:
        """Ask for a share if nobody else does; return the seconds until the next look around.

        And free the places of those that are closed by now.
        """
        home: Any = self._home()
        if home is None or not home.inline:
            return _LOOK_AROUND
        home.see_off()
        stake.tick(home)
        return _LOOK_AFTER_SHARE

    def _leave(self, waiter: Waiter) -> Grant | None:
        """Take *waiter* out of the line; return what it was given at the last moment."""
        with self.lock:
            grant, waiter.grant = waiter.grant, TAKEN  # nobody gives it anything any more
            with suppress(ValueError):
                while True:  # twice, if an interrupt kept it there from an earlier wait
                    self.waiting.remove(waiter)
        self.match()
        return None if grant is TAKEN else grant

    def _pass_on(self, grant: Grant) -> None:
        if isinstance(grant, Room):
            self.vacate(grant.slot)
        elif _is_connection(grant):
            home = self._home()
            if home is not None:  # else it goes with its last reference
                home.keep(grant, grant._multipool_slot)

    def _seek_lost(self) -> None:
        """Collect garbage where a connection may lie in a cycle of it.

        That is if a thread has ended that had one, or if nobody was lent anything for a while:
        those who hold all there is may have lost it. With growing pauses, since they may as
        well be busy, or have handed it on.
        """
        ended = False
        for slot in list(self.slots):
            if slot.conn_ref is not None and slot.conn_ref() is None:
                self.vacate(slot)  # its finaliser was interrupted
            if slot.leased:
                ended = ended or slot.borrower.ended
        leases, now = self.leases(), monotonic()
        if leases != self._seen_leases:
            self._seen_leases, self._still_since, self._pause = leases, now, _SELDOM
        stuck = now - self._still_since >= _LOOK_AROUND
        if (ended or stuck) and now >= self._seek_again:
            self._seek_again = now + self._pause
            self._pause = min(2 * self._pause, _LONGEST)
            gc.collect()

    def stand_by(self, until: float, *, ours: bool = False) -> Any | None:
        """Wait at the front of the line until the monotonic time *until*, holding a place already.

        *ours*: for the sake of the pool, not of a user. Returns an idle connection if one comes
        back, else None; that also if the pool is closed.
        """
        with self.lock:
            if self.closed:
                return None
            waiter = self.line_up(monotonic(), first=True, ours=ours)
        self.match()
        grant = self.wait(waiter, until)
        if isinstance(grant, Room):  # the outage is over; this thread needs no second one
            self.vacate(grant.slot)
            return None
        return None if _is_word(grant) else grant

    def probe(self, slot: Slot, error: Exception, attempt: float, lull: float) -> Outage | None:
        """Note that no connection could be opened in *slot*, since the server does not answer.

        *attempt*: the monotonic time at which that began; *lull*: the seconds after which an outage
        that nobody has asked about is another. Returns the outage if *slot* is where the next
        attempt is to be made, else None: then somebody else makes it.
        """
        with self.lock:
            if self.outage is None:
                self.outage = Outage(error)
                self._prober = slot
            elif self._prober is slot:
                if self.outage.is_another_than(attempt, lull):
                    self.outage = Outage(error)
                else:
                    self.outage.go_on(error)
            mine = self.outage if self._prober is slot else None
        self.match()
        return mine

    def recovered(self) -> Outage | None:
        """Note that the server answers again; return the outage that ends."""
        with self.lock:
            outage, self.outage, self._prober = self.outage, None, None
        self.match()
        return outage

    def vacate(self, slot: Slot) -> None:
        """Free a place whose connection is gone or never came to be.

        Called by finalisers too, wherever they run: waits for no lock.
        """
        # The same garbage may hold a block or a finaliser that gives the connection back yet.
        slot.spend()
        self.vacant.append(slot)
        self.match()

    def queue(self) -> list[Waiter]:
        """Return the users who wait, the first first: all that anybody is told of the line."""
        return [waiter for waiter in list(self.waiting) if not waiter.ours]

    def leases(self) -> int:
        """Return how many leases the open connections have seen."""
        return sum(slot.serial for slot in list(self.slots))

    def date(self, now: float) -> None:
        """Note at the time *now* of all leases that nobody has dated that they have begun."""
        for slot in list(self.slots):
            slot.date(now)

    def spend(self) -> None:
        """Let no connection be lent again that is open now."""
        for slot in list(self.slots):
            slot.spend()

    def make_wary(self) -> None:
        """Let every connection be looked at before it is lent again."""
        for slot in list(self.slots):
            slot.wary = True

    def refuse(self, error: Exception) -> None:
        """Give *error* to all who wait, of which each raises one of its own."""
        with self.lock:
            for waiter in self.waiting:
                if waiter.grant is None:
                    waiter.give(Refused(error))
            self.waiting.clear()
        self.match()

    def shut(self) -> None:
        """Give `CLOSED` to all who wait, and let no connection be lent again."""
        if is_own(self.lock):
            self.closed = True  # who waits looks around
        else:
            with self.lock:
                self.closed = True
                for waiter in self.waiting:
                    if waiter.grant is None:
                        waiter.give(CLOSED)
                self.waiting.clear()
        self.spend()


def _is_connection(grant: Grant) -> bool:
    return not (grant is None or grant is TAKEN or isinstance(grant, Room) or _is_word(grant))


def _is_word(grant: Grant) -> bool:
    """Return whether *grant* only says that there will be none."""
    return grant is CLOSED or isinstance(grant, Refused)
