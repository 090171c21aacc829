"""The pool: lends connections, takes them back, never has more than ``max_size``.

`Pool.getconn` pops the most recently used idle connection, `Pool.putconn` pushes it back.
As long as nobody waits, neither takes a lock, makes a system call or a round trip. All
else is decided in `places`, done to a connection by `caretaker` and `opening`, or left to
`upkeep`.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable, Mapping
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self
from weakref import ReferenceType, ref

from multipool import lifecycle, upkeep
from multipool.borrower import here
from multipool.caretaker import Caretaker
from multipool.clock import clock
from multipool.config import PoolConfig
from multipool.driver import Driver, get_driver
from multipool.errors import (
    ConnectionNotLeased,
    PoolClosed,
    PoolConfigError,
    PoolError,
    PoolTimeout,
    TooManyWaiting,
    for_driver,
)
from multipool.holders import describe_holders
from multipool.lease import Lease
from multipool.opening import open_in
from multipool.places import Grant, Places, Room
from multipool.slot import Slot
from multipool.stats import PoolStats, Totals
from multipool.target import Target
from multipool.tending import tend

Conninfo = str | Mapping[str, Any] | Callable[[], str | Mapping[str, Any]]

_numbers = itertools.count(1)
_frame = sys._getframe

#: psycopg_pool's options that are accepted, for those who come from there, and do nothing.
_IDLE_WORDS = {
    "num_workers": "connections are opened by those who need them, at the same time",
    "open": "a pool opens its connections when they are needed, min_size at once",
}

#: Seconds between two looks of the few calls that wait for a state: `wait` and `close`.
_POLL = 0.005


def _without_idle_words(options: dict[str, Any]) -> dict[str, Any]:
    """Return *options* without those of psycopg_pool that mean nothing here, and say so."""
    for name, reason in _IDLE_WORDS.items():
        if name in options:
            warnings.warn(f"option {name} has no effect: {reason}", UserWarning, stacklevel=3)
    return {name: value for name, value in options.items() if name not in _IDLE_WORDS}


class Pool:
    """A bounded set of connections to one database, shared by the threads of a process.

    Args:
        conninfo: a libpq URI or ``key=value`` string, a dict of parameters, or a callable
            that returns either and is called for each new connection (for passwords and
            tokens that change).
        driver: the name of an adapter, such as ``"psycopg2"``, or a `Driver`.
        options: see `PoolConfig`.

    Raises `PoolConfigError` for an unknown driver, a bad DSN or option. No connection is
    opened here; with ``min_size`` they are opened in the background.
    """

    def __new__(cls, *args: Any, strict: bool = False, **options: Any) -> Pool:
        """Make a `StrictPool` where single-use leases are asked for: see `strict`."""
        if strict is True and cls is Pool:
            from multipool.strict import StrictPool

            return object.__new__(StrictPool)
        return object.__new__(cls)

    def __init__(self, conninfo: Conninfo, *, driver: str | Driver, **options: Any) -> None:
        config = PoolConfig.from_options(_without_idle_words(options))
        self._config = config
        self._name = config.name or f"pool-{next(_numbers)}"
        try:
            self._driver = get_driver(driver)
            self._target = Target(conninfo, self._driver)
        except PoolConfigError as error:
            raise PoolConfigError(f"pool {self._name!r}: {error}") from error.__cause__
        self._caretaker = Caretaker(self._name, self._driver, self._target, config)
        self._upkeep = upkeep.of(config.upkeep)
        self._totals = Totals()
        self._closed = False
        #: Whether there has ever been a connection.
        self._connected = False
        self._fill_error: Exception | None = None
        # What the hot path needs, one step away.
        self._ref: ReferenceType[Pool] = ref(self)
        self._status = self._driver.status
        self._make_places()
        #: Whether every checkout and return must go by `_lendable` and `_clean`.
        self._always_wary = self._caretaker.busy or not self._upkeep.watching
        #: Monotonic time at which inline upkeep is due.
        self._due = 0.0
        lifecycle.register(self)
        if config.upkeep == "thread":
            self._upkeep.tend(self)

    def _make_places(self) -> None:
        self._places = Places(self._config.limit, self._ref, self._totals)
        self._idle, self._waiting = self._places.idle, self._places.waiting

    # -- the hot path --------------------------------------------------------------

    def getconn(self, timeout: float | None = None, _depth: int = 1) -> Any:
        """Check a connection out; give it back with `putconn` or with its own ``close``.

        Args:
            timeout: seconds that waiting and connecting may take together; None means the
                pool's ``timeout``, 0 means now or never.

        Returns the driver's own connection, outside of any transaction. Raises
        `PoolTimeout`, `TooManyWaiting`, `PoolClosed`, or the driver's error when a new
        connection cannot be opened.
        """
        if self._waiting:
            return self._getconn_slowly(timeout, _frame(_depth))
        try:
            conn = self._idle.pop()
        except IndexError:
            return self._getconn_slowly(timeout, _frame(_depth))
        slot: Slot = conn._multipool_slot
        if slot.wary and not self._lendable(conn, slot):
            return self._getconn_slowly(timeout, _frame(_depth))
        frame = _frame(_depth)
        borrower = here.borrower
        slot.since = clock.now
        slot.code = frame.f_code
        slot.lasti = frame.f_lasti
        slot.serial += 1
        slot.borrower = borrower
        if slot.last is not borrower:
            slot.pass_to(borrower)
        return conn

    def putconn(self, conn: Any) -> None:
        """Give back a connection that `getconn` lent.

        A transaction left open is rolled back first; what cannot be cleaned is closed.
        Raises `ConnectionNotLeased` for a connection that is not of this pool or was
        returned already.
        """
        try:
            slot: Slot = conn._multipool_slot
            ours = slot.pool_ref is self._ref
        except AttributeError:
            raise self._not_ours(conn) from None
        if not ours:
            raise self._not_ours(conn)
        if slot.wary:
            self._refuse_stale(slot)
        # Read and cleared with no call in between, so of two threads that return the
        # same lease at once only one comes through.
        if slot.borrower is None:
            raise self._not_leased(conn)
        slot.borrower = None
        try:
            wary = self._status(conn) or slot.wary
            if wary and not self._clean(conn, slot):
                return
        except BaseException:  # an interrupt: nobody knows in which state it is
            self._discard(conn, slot)
            raise
        # With no call in between: from here on it may be somebody else's.
        self._idle.append(conn)
        if self._waiting:
            self._places.match()
        if wary:
            self._reconsider(conn, slot)

    def connection(self, timeout: float | None = None) -> Lease:
        """Return a context manager that lends a connection for a ``with`` block.

        Commits when the block ends, rolls back when it raises, then gives the connection
        back. Raises on entry what `getconn` raises, on exit what the commit raises.
        """
        return Lease(self, timeout)

    # -- growing and waiting -----------------------------------------------------------

    def _getconn_slowly(self, timeout: float | None, frame: Any) -> Any:
        if timeout is None:
            timeout = self._config.timeout
        deadline = monotonic() + timeout
        self._tend_if_inline()
        grant = self._ask(timeout, deadline, first=False)
        while True:
            conn = open_in(self, grant, deadline) if isinstance(grant, Room) else grant
            if conn is not None:
                slot: Slot = conn._multipool_slot
                if slot.serial == 0:
                    self._greet(conn, slot)
                    break
                if self._lendable(conn, slot):
                    break
            # Of no use, or somebody else asks the server already: the turn is not lost.
            grant = self._ask(timeout, deadline, first=True)
        if self._closed:
            self._discard(conn, slot)
            self._refuse_if_closed()
        slot.wary = slot.wary or self._always_wary
        slot.lend(here.borrower, frame.f_code, frame.f_lasti, clock.read())
        return conn

    def _ask(self, timeout: float, deadline: float, *, first: bool) -> Grant:
        """Return an idle connection or a place to open one in, waiting in line if need be.

        *first* keeps its turn to a thread that was given something of no use.
        """
        places = self._places
        try:
            with places.lock:
                self._refuse_if_closed()
                grant = None if self._waiting and not first else places.take()
                if grant is not None:
                    return grant
                self._refuse_to_wait(timeout)
                waiter = places.line_up(first=first)
        finally:
            places.match()
        if not places.wait(waiter, deadline):
            self._totals.add("timeouts")
            raise self._error(
                PoolTimeout, f"no connection within {timeout:g} s: {self._whole_state(1)}"
            )
        self._totals.add("waited")
        self._totals.add("wait_time", monotonic() - waiter.since)
        if isinstance(waiter.grant, BaseException):
            raise waiter.grant
        return waiter.grant

    # -- one connection, out of the ordinary ---------------------------------------------

    def _lendable(self, conn: Any, slot: Slot) -> bool:
        """Look at a wary idle connection; return whether to lend it. If not, it is discarded."""
        if clock.asleep:
            self._upkeep.rouse()
        self._tend_if_inline()
        try:
            lendable = self._caretaker.worth_lending(conn, slot, clock.read())
        except BaseException:
            self._discard(conn, slot)
            raise
        if not lendable:
            self._discard(conn, slot)
            return False
        self._calm(slot)
        self._greet(conn, slot)
        return True

    def _greet(self, conn: Any, slot: Slot) -> None:
        """Call ``on_checkout``; if it raises, the connection goes back."""
        if self._config.on_checkout is not None:
            try:
                self._config.on_checkout(conn)
            except BaseException:
                if self._clean(conn, slot):
                    self._places.put(conn)
                raise

    def _clean(self, conn: Any, slot: Slot) -> bool:
        """Clean a returned connection; return whether to keep it. If not, it is discarded."""
        if self._caretaker.worth_keeping(conn, slot) and not self._is_surplus(slot):
            self._calm(slot)
            return True
        self._discard(conn, slot)
        return False

    def _calm(self, slot: Slot) -> None:
        """Note that the connection was looked at."""
        slot.wary = False
        # In this order, lest a mark that somebody sets meanwhile be overlooked.
        if self._always_wary or clock.asleep or self._is_surplus(slot):
            slot.wary = True

    def _is_surplus(self, slot: Slot) -> bool:
        """Return whether there is one connection too many, since a `resize`, or *slot* is spent."""
        places = self._places
        return slot.spent or (
            len(places.slots) > places.limit
            and sum(not slot.spent for slot in list(places.slots)) > places.limit
        )

    def _reconsider(self, conn: Any, slot: Slot) -> None:
        """Look again at a connection on the idle stack: a mark set while it came is heeded."""
        if self._is_surplus(slot) and self._places.pick(conn):
            self._discard(conn, slot)

    def _shelve(self, conn: Any) -> None:
        """Put a connection that nobody has lent yet among the idle ones."""
        if self._closed:
            self._discard(conn, conn._multipool_slot)
        else:
            conn._multipool_slot.wary = True
            self._places.put(conn)

    def _discard(self, conn: Any, slot: Slot) -> None:
        """Close *conn*, without making anybody wait for it; then its place is free."""
        slot.spend()
        self._upkeep.unwatch(slot)
        self._upkeep.background(self._close_and_vacate, conn, slot)

    def _close_and_vacate(self, conn: Any, slot: Slot) -> None:
        if slot.closing:  # asked twice, since the first time was interrupted
            return
        slot.closing = True
        try:
            self._caretaker.close(conn, slot)
        except BaseException:
            self._driver.close(conn)
            raise
        finally:
            self._places.vacate(slot)

    def _tend(self) -> float:
        """Do what is due; return when there is something to do again (see `tending`)."""
        return tend(self)

    def _tend_if_inline(self) -> None:
        if self._config.upkeep == "inline" and monotonic() >= self._due:
            self._due = float("inf")  # what is done now may come by here again
            try:
                self._due = tend(self)
            except BaseException:
                self._due = 0.0
                raise

    # -- the rest of the public face -------------------------------------------------------

    @property
    def name(self) -> str:
        """The pool's name, as in its messages and metrics."""
        return self._name

    @property
    def driver(self) -> Driver:
        """The adapter in use."""
        return self._driver

    @property
    def config(self) -> PoolConfig:
        """The options in force."""
        return self._config

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def stats(self) -> PoolStats:
        """Return what the pool has and what it has done, as a frozen dataclass."""
        slots = list(self._places.slots)
        idle = len(self._idle)
        used = sum(slot.leased for slot in slots)
        config, totals = self._config, self._totals.as_dict()
        totals["checkouts"] += sum(slot.serial for slot in slots)
        return PoolStats(
            name=self._name,
            driver=self._driver.name,
            min_size=config.min_size,
            max_size=config.max_size if isinstance(config.max_size, int) else None,
            size=len(slots),
            idle=idle,
            used=used,
            connecting=max(len(slots) - idle - used, 0),
            waiting=len(self._waiting),
            **totals,
        )

    def resize(self, *, min_size: int | None = None, max_size: Any = None) -> None:
        """Change the bounds while running; what is left out stays.

        Idle connections above a lower ``max_size`` are closed now, lent ones as they come
        back. Raises `PoolConfigError` as the constructor does.
        """
        changes = {"min_size": min_size, "max_size": max_size}
        config = self._config.replace(
            name=self._name, **{k: v for k, v in changes.items() if v is not None}
        )
        places = self._places
        self._refuse_if_closed()
        with places.lock:
            self._config, places.limit = config, config.limit
            surplus = sum(not slot.spent for slot in places.slots) - places.limit
        places.match()
        if surplus > 0:
            # Nobody knows which of the lent ones comes back first: each is asked, from now
            # on. So what is idle after this is all that comes back unasked.
            places.make_wary()
            for conn in tuple(self._idle)[: int(surplus)]:  # the coldest first
                conn._multipool_slot.spend()
        self._upkeep.tend(self)

    def drain(self) -> None:
        """Replace every connection: idle ones are closed now, lent ones as they come back.

        For a fail-over, new credentials, or a changed server setting. Nobody is interrupted.
        """
        self._places.spend()
        self._upkeep.tend(self)

    def wait(self, timeout: float = 30.0) -> None:
        """Block until ``min_size`` connections are open, opening what is missing.

        Raises `PoolTimeout` after *timeout* seconds, `PoolClosed`, or the driver's error
        when a connection cannot be opened.
        """
        deadline = monotonic() + timeout
        self._fill_error = None
        self._upkeep.tend(self)
        while True:
            self._refuse_if_closed()
            stats = self.stats()
            if stats.size - stats.connecting >= self._config.min_size:
                return
            if self._fill_error is not None:
                raise self._fill_error
            if monotonic() >= deadline:
                raise self._error(
                    PoolTimeout,
                    f"min_size={self._config.min_size} not reached within {timeout:g} s:"
                    f" {self._whole_state()}",
                )
            sleep(_POLL)

    def close(self, timeout: float = 5.0) -> None:
        """Close the pool and its connections; to close twice is harmless.

        Threads that wait get `PoolClosed` at once, idle connections are closed, and those
        lent out may come back within *timeout* seconds; later ones are closed on return.
        """
        deadline = monotonic() + timeout
        self._closed = True
        self._places.shut(self._error(PoolClosed, "closed while waiting"))
        self._upkeep.tend(self)
        # Polled, since a lost connection's finaliser may take no lock to tell us.
        while self.stats().size and monotonic() < deadline:
            sleep(_POLL)

    def _let_go(self) -> None:
        """Close what is idle, here and now: the pool was dropped, or the interpreter exits."""
        self._closed = True
        self._places.spend()
        while self._idle:
            conn = self._idle.pop()
            self._upkeep.unwatch(conn._multipool_slot)
            self._caretaker.close(conn, conn._multipool_slot, see_off=False)

    def _after_fork(self) -> None:
        """Begin anew in a forked child: what the parent opened is the parent's."""
        conns = list(self._idle)
        conns += [slot.conn_ref() for slot in self._places.slots if slot.leased and slot.conn_ref]
        self._totals = Totals()
        self._upkeep = upkeep.of(self._config.upkeep)
        self._make_places()
        for conn in conns:
            if conn is not None:
                self._caretaker.abandon(conn, conn._multipool_slot)
        if self._config.upkeep == "thread" and self._config.min_size:
            self._upkeep.tend(self)

    def __del__(self) -> None:
        if hasattr(self, "_due"):  # else the constructor refused its arguments
            self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        size = f"{len(self._places.slots)} of {self._config.max_size}"
        state = "closed" if self._closed else size
        return f"<Pool {self._name!r} {self._driver.name} {self._target} {state}>"

    # -- words ---------------------------------------------------------------------------------

    def _error(self, kind: type[PoolError], text: str) -> PoolError:
        return for_driver(kind, self._driver.OperationalError)(f"pool {self._name!r}: {text}")

    def _whole_state(self, gave_up: int = 0) -> str:
        places = self._places
        waiting = len(self._waiting) + gave_up
        state = describe_holders(list(places.slots), self._config.max_size, waiting)
        return state if places.outage is None else f"{places.outage}; {state}"

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise self._error(PoolClosed, "the pool is closed")

    def _refuse_to_wait(self, timeout: float) -> None:
        """Raise if this thread may not wait. The places' lock is held."""
        if timeout <= 0:
            self._totals.add("timeouts")
            raise self._error(PoolTimeout, f"no connection at once: {self._whole_state()}")
        # If it holds all there is, it would wait for itself.
        me = here.borrower
        own = sum(slot.borrower is me for slot in self._places.slots)
        if own >= self._places.limit:
            raise self._error(
                PoolTimeout,
                "this thread holds every connection already and would wait for itself: "
                + self._whole_state(),
            )
        limit = self._config.max_waiting
        if limit and len(self._waiting) >= limit:
            self._totals.add("rejected")
            raise self._error(
                TooManyWaiting,
                f"max_waiting={limit} threads wait already: {self._whole_state()}",
            )

    def _refuse_stale(self, slot: Slot) -> None:
        """Raise if this thread had the connection once, and somebody else has it now."""
        borrower, me = slot.borrower, here.borrower
        if borrower is not None and borrower is not me and me in slot.former:
            raise self._error(
                ConnectionNotLeased,
                f"this thread's lease has ended; now thread {borrower.name} has the connection",
            )

    def _not_ours(self, conn: Any) -> PoolError:
        return self._error(
            ConnectionNotLeased,
            f"this {type(conn).__name__} is not one of this pool's connections",
        )

    def _not_leased(self, conn: Any) -> PoolError:
        return self._error(ConnectionNotLeased, "this connection was returned already")
