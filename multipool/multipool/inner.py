"""What a pool has inside, and who looks after it.

All that is done to a pool is done to its `Inner`, which knows nothing of the `Pool` in front
of it. So a pool that its user drops is gone at once, whoever works on its insides just then.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from weakref import ReferenceType, ref

from multipool.caretaker import GOODBYE, NEVER, PATIENT_GOODBYE, Caretaker
from multipool.config import PoolConfig
from multipool.driver import Driver
from multipool.errors import PoolClosed, PoolError, for_driver
from multipool.filling import Filling
from multipool.goodbyes import Goodbye
from multipool.helpers import Helpers
from multipool.places import Places
from multipool.slot import Slot
from multipool.stats import Totals
from multipool.target import Target
from multipool.watch.alarms import Alarms
from multipool.watch.demand import Demand
from multipool.watch.tracing import Observer, Tracing

if TYPE_CHECKING:
    from multipool.budget.stake import Stake
    from multipool.plans.planner import Planner
    from multipool.watch.queries.log import QueryLog
    from multipool.watch.usage import UsageLog

#: Helpers of one pool at once. Those that open are few, since more would only crowd a server that
#: is slow already; what is to be closed must not wait for them.
_OPENERS: Final = 16
_CLOSERS: Final = 64

#: Seconds between two looks at whether a server has hung up, where nobody waits for it.
_LOOK_AFTER: Final = 0.05


class Inner:
    """The state of one pool, and the few things that everybody does to it."""

    #: The two halves of the hot path, see `hotpath`. A third argument that is False keeps no whole
    #: stack of the lease.
    getconn: Callable[..., Any]
    putconn: Callable[[Any], None]
    #: The second, for who noted the number of the lease.
    endlease: Callable[[Any, Slot, int], bool]

    def __init__(
        self, name: str, driver: Driver, target: Target, config: PoolConfig, upkeep: Upkeep
    ) -> None:
        self.name = name
        self.driver = driver
        self.status, self.commit = driver.status, driver.commit
        self.target = target
        self.config = config
        self.upkeep = upkeep
        self.inline = config.upkeep == "inline"
        #: How much of its use is noted.
        self.tracing = Tracing(config.trace)
        #: What counts the queries; None where the option is off.
        self.query_log: QueryLog | None = None
        #: What counts the use that is made of its connections; None as well.
        self.usage_log: UsageLog | None = None
        self._begin_options(config)
        #: What was said of its leases, and when its report is logged next (monotonic time).
        self.alarms = Alarms()
        self.next_report = 0.0
        #: How many of its connections were wanted at once.
        self.demand = Demand()
        self.caretaker = Caretaker(name, driver, target, config, self.tracing)
        self.totals = Totals(name, use_time=config.use_time)
        #: How its slots know whose they are.
        self.home: ReferenceType[Inner] = ref(self)
        self.places = Places(config.limit, self.home, self.totals)
        # What the hot path needs, one step away.
        self.waiting, self.idle = self.places.waiting, self.places.idle
        self.filling = Filling()
        self._begin_helpers()
        #: What it has of a budget; None where there is none.
        self.stake: Stake | None = None
        self._goodbye = GOODBYE
        if config.budget is not None:
            self._begin_budget()
        #: Whether every checkout and return must go by the slow way, see `lending`.
        self.always_wary = self.caretaker.busy or not upkeep.watching
        #: Whether there has ever been a connection.
        self.connected = False
        self.closed = False
        #: Monotonic time until which `Pool.close` may take.
        self.close_by = NEVER
        #: The pool itself, for hooks that are given it.
        self.owner: Callable[[], Any] = _nobody

    def _begin_options(self, config: PoolConfig) -> None:
        """Begin what is done to statements from the first connection on, if asked to."""
        if config.queries:
            from multipool.watch.queries.log import QueryLog
            from multipool.watch.usage import UsageLog

            self.query_log = QueryLog()
            self.usage_log = UsageLog()
            self.tracing.observers += (self.query_log,)
            self.tracing.log = self.query_log
        if config.comments:
            from multipool.watch.comments import Comments

            tags = {} if config.comments is True else config.comments
            self.tracing.amend = Comments(tags).amend
        self.tracing.sum_up()

    def _begin_helpers(self) -> None:
        """Have threads of its own for what may block, so that no other pool waits for it."""
        self.openers = Helpers(_OPENERS)
        self.closers = Helpers(_CLOSERS)
        #: Where upkeep is inline: what is closed, and whose place is not free yet.
        self.goodbyes: list[Goodbye] = []

    def _begin_budget(self) -> None:
        """Open nothing until a share of the budget is granted."""
        from multipool.budget.stake import Stake

        self.stake = self.places.stake = Stake()
        self.target.mark = self.stake.mark
        self.places.limit = 0
        # Else one could be opened while the server still counts the one before.
        self._goodbye = PATIENT_GOODBYE

    # -- what a slot asks of its home ------------------------------------------------------

    def give_back(self, conn: Any) -> None:
        """Take a lent connection back."""
        self.putconn(conn)

    def end(self, conn: Any, slot: Slot, serial: int) -> bool:
        """Take a lent connection back from the lease of that number; return False if it is over."""
        return self.endlease(conn, slot, serial)

    def vacate(self, slot: Slot) -> None:
        """Free a place whose connection was collected. Waits for no lock."""
        self.places.vacate(slot)

    def ended(self, slot: Slot) -> None:
        """Let a connection be lent no more that has ended by itself."""
        slot.spend()
        if self.stake is not None:
            self.stake.doubt()

    def error(self, kind: type[PoolError], text: str) -> PoolError:
        """Return an error of *kind* that names the pool and is also the driver's own."""
        return for_driver(kind, self.driver.OperationalError)(f"pool {self.name!r}: {text}")

    # -- one connection --------------------------------------------------------------------

    def is_surplus(self, slot: Slot) -> bool:
        """Return whether there is one connection too many, since a resize, or *slot* is spent."""
        places = self.places
        return (
            slot.spent
            or self.closed
            or (
                len(places.slots) > places.limit
                and sum(not slot.spent for slot in list(places.slots)) > places.limit
            )
        )

    def keep(self, conn: Any, slot: Slot) -> None:
        """Put a clean connection among the idle ones, or into waiting hands."""
        self.idle.append(conn)
        self.settle(conn, slot)

    def settle(self, conn: Any, slot: Slot) -> None:
        """Do what comes after a push; by now the connection may be somebody else's."""
        if self.waiting:
            self.places.match()
        # A mark that was set while it came is heeded.
        if self.is_surplus(slot) and self.places.pick(conn):
            self.discard(conn, slot)

    def shelve(self, conn: Any) -> None:
        """Put a connection that nobody has lent yet among the idle ones."""
        slot: Slot = conn._multipool_slot
        slot.wary = True
        self.keep(conn, slot)

    def discard(self, conn: Any, slot: Slot) -> None:
        """Close *conn*, without making anybody wait for it; then its place is free."""
        slot.spend()
        self.upkeep.unwatch(slot)
        self.upkeep.background(self, self._close_and_vacate, conn, slot)

    def _close_and_vacate(self, conn: Any, slot: Slot) -> None:
        if slot.closing:  # asked twice, since the first time was interrupted
            return
        slot.closing = True
        kept = False
        try:
            patience = min(self._goodbye, self.close_by - monotonic())
            if self.inline and patience > GOODBYE:
                kept = self._part(conn, slot, patience)
            else:
                self.caretaker.close(conn, slot, patience)
        except BaseException:
            self.driver.close(conn)
            raise
        finally:
            # In line: an interrupt at the beginning of a method of ours would keep the place.
            if not kept:
                self.places.vacant.append(slot)
            self.places.match()
            if kept or ((self.config.min_size or self.stake is not None) and not self.closed):
                self.upkeep.soon(self)

    def _part(self, conn: Any, slot: Slot, patience: float) -> bool:
        """Close *conn* without keeping the caller for all of *patience*, in seconds.

        Returns whether its place is to be kept for the rest of that, see `see_off`.
        """
        goodbye = Goodbye(self.driver.fileno(conn), slot, patience)
        self.caretaker.close(conn, slot, GOODBYE)
        if goodbye.over:
            return False
        self.goodbyes.append(goodbye)
        return True

    def see_off(self) -> float:
        """Free the places of those whose server has hung up; return when to look again."""
        for goodbye in tuple(self.goodbyes):
            if goodbye.over:
                self.places.vacant.append(goodbye.slot)  # first: twice does no harm, never would
                with suppress(ValueError):  # another thread was quicker
                    self.goodbyes.remove(goodbye)
        self.places.match()
        return monotonic() + _LOOK_AFTER if self.goodbyes else NEVER

    def confine(self, limit: float) -> None:
        """Have at most *limit* connections, or ``max_size`` if that is less.

        Idle ones above it are closed now, others as they come back.
        """
        places = self.places
        with places.lock:
            places.limit = min(limit, self.config.limit)
            surplus = sum(not slot.spent for slot in places.slots) - places.limit
        places.match()
        if surplus <= 0:
            return
        # Nobody knows which of the lent ones comes back first: each is asked, from now on. So
        # what is idle after this is all that comes back unasked.
        places.make_wary()
        for conn in tuple(places.idle)[: int(surplus)]:  # the coldest first
            if places.pick(conn):  # else somebody was quicker
                self.discard(conn, conn._multipool_slot)

    # -- all of them -----------------------------------------------------------------------

    def begin_planning(self) -> Planner:
        """Return what prepares statements on all connections from now on, lent ones too."""
        caretaker = self.caretaker
        if caretaker.planner is None:
            from multipool.plans.options import PrepareOptions
            from multipool.plans.planner import Planner

            planner = Planner(self.name, PrepareOptions.read(self.config.prepare))
            with self.places.lock:
                caretaker.planner = caretaker.planner or planner
            self.places.match()
            for conn, _ in self._open():
                caretaker.plan(conn)
        return caretaker.planner

    def begin_observing(self, observer: Observer) -> None:
        """Tell *observer* what is executed on all connections from now on, lent ones too."""
        with self.places.lock:
            self.tracing.observers += (observer,)
            self.tracing.sum_up()
        self.places.match()
        for conn, slot in self._open():
            self.caretaker.see(conn, slot)

    def end_observing(self, observer: Observer) -> None:
        """Tell *observer* no more."""
        with self.places.lock:
            self.tracing.observers = tuple(
                one for one in self.tracing.observers if one is not observer
            )
            self.tracing.sum_up()
        self.places.match()

    def _open(self) -> list[tuple[Any, Slot]]:
        slots = [slot for slot in list(self.places.slots) if slot.conn_ref is not None]
        found = [(slot.conn_ref(), slot) for slot in slots if slot.conn_ref is not None]
        return [(conn, slot) for conn, slot in found if conn is not None]

    def refuse_if_closed(self) -> None:
        """Raise `PoolClosed` if it is."""
        if self.closed:
            raise self.error(PoolClosed, "the pool is closed")

    def leave(self) -> None:
        """Tell the fleet, if it knows of the pool, that it is about to close."""
        if self.stake is not None and not self.closed:
            self.stake.leave(self)
        if self.config.fleet and self.connected and not self.closed:
            from multipool.fleet import beating

            beating.leave(self)

    def let_go(self) -> None:
        """Close what is idle, here and now: the pool was dropped, or the interpreter exits."""
        self.closed = self.places.closed = True  # whoever waits notices
        self._goodbye = 0.0  # for what comes back yet: nobody is to have its place
        self.places.spend()
        if self.stake is not None:
            self.stake.move_out(self)
        while self.places.idle:
            conn = self.places.idle.pop()
            self.upkeep.unwatch(conn._multipool_slot)
            self.caretaker.close(conn, conn._multipool_slot, patience=0)

    def after_fork(self) -> None:
        """Begin anew in a forked child: what the parent opened is the parent's."""
        conns = list(self.places.idle)
        conns += [slot.conn_ref() for slot in self.places.slots if slot.leased and slot.conn_ref]
        self.totals.begin_anew()
        if self.query_log is not None:
            self.query_log.begin_anew()
        if self.usage_log is not None:
            self.usage_log.begin_anew()
        self.alarms = Alarms()
        self._begin_helpers()
        self.demand = Demand()
        self.caretaker.begin_anew()
        self.upkeep = self.upkeep.after_fork()
        self.places.begin_anew()
        if self.stake is not None:
            self.stake.move_out(self)
            self._begin_budget()
        for conn in conns:
            if conn is not None:
                self.caretaker.abandon(conn, conn._multipool_slot)
        if not self.inline and self.config.min_size:
            self.upkeep.tend(self)


class Upkeep(ABC):
    """Who looks after pools, and does for them what may block."""

    #: Whether the ends of sockets are noticed as they happen.
    watching: bool
    #: Called as ``ended(0, 1)``: something true if a watched connection may have ended; the
    #: descriptor of the epoll instance whose method that is, or -1: then none has; and the
    #: monotonic time at which there is something to do. Asked at each checkout where upkeep is
    #: inline.
    ended: Callable[[float, int], Any]
    ends: int
    due: float

    @abstractmethod
    def tend(self, inner: Inner, deadline: float | None = None) -> None:
        """Look after a pool from now on, and look at it at once.

        Where the caller does so, connecting ends by the monotonic time *deadline*, or when the
        pool's ``timeout`` is over.
        """

    @abstractmethod
    def soon(self, inner: Inner) -> None:
        """Look at it when that is possible without keeping the caller."""

    @abstractmethod
    def step(self, inner: Inner, deadline: float | None = None) -> None:
        """Do what is due, in a call into the pool, if nobody else does it.

        Connecting ends by the monotonic time *deadline*.
        """

    @abstractmethod
    def background(self, inner: Inner, function: Callable[..., object], *args: Any) -> None:
        """Run ``function(*args)`` where nobody waits for it, if there is such a place.

        What of it hangs keeps no other pool than *inner*.
        """

    @abstractmethod
    def open(self, inner: Inner, function: Callable[..., object], *args: Any) -> None:
        """The same for what opens connections, which no close should wait for."""

    @abstractmethod
    def watch(self, inner: Inner, slot: Slot) -> None:
        """Notice when the connection of *slot* ends."""

    @abstractmethod
    def unwatch(self, slot: Slot) -> None:
        """No more. Must come before its close."""

    def hear(self, fd: int, heard: Callable[[], object]) -> None:
        """When *fd* can be read, call *heard*, which reads all of it, and look at all pools.

        That is where somebody sleeps; else nobody hears.
        """
        return

    def deafen(self, fd: int) -> None:
        """No more. Must come before its close."""
        return

    def notice(self) -> list[Slot]:
        """Return the connections that have ended since this was asked last."""
        return []

    @abstractmethod
    def rouse(self) -> None:
        """Let the clock tick: connections are being lent."""

    @abstractmethod
    def after_fork(self) -> Upkeep:
        """Return who looks after the same pools in a forked child."""


def _nobody() -> None:
    """Stands for the owner, until there is one."""
