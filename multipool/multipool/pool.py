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

from multipool import lifecycle, refusing, upkeep
from multipool.borrower import here
from multipool.caretaker import GOODBYE, NEVER, Caretaker
from multipool.clock import clock
from multipool.config import PoolConfig
from multipool.driver import Driver, get_driver
from multipool.errors import PoolClosed, PoolConfigError, PoolError, PoolTimeout
from multipool.lease import Lease
from multipool.opening import open_in
from multipool.places import CLOSED, Grant, Places, Room
from multipool.slot import Slot
from multipool.stats import PoolStats, Totals
from multipool.target import Target
from multipool.tending import Filling, tend

Conninfo = str | Mapping[str, Any] | Callable[[], str | Mapping[str, Any]]

_numbers = itertools.count(1)
_frame = sys._getframe
# A call of the class would find an `__init__` by the slow way, for a sixth of the whole price.
_new_lease = object.__new__

#: psycopg_pool's options that are accepted, for those who come from there, and do nothing.
_WITHOUT_EFFECT = {
    "num_workers": "connections are opened by those who need them, at the same time",
    "open": "a pool opens its connections when they are needed, min_size at once",
}

#: Seconds between two looks of the few calls that wait for a state: `wait` and `close`.
_POLL = 0.005


def _effective(options: dict[str, Any]) -> dict[str, Any]:
    """Return *options* without those of psycopg_pool that mean nothing here, and say so."""
    for name, reason in _WITHOUT_EFFECT.items():
        if name in options:
            warnings.warn(f"option {name} has no effect: {reason}", UserWarning, stacklevel=3)
    return {name: value for name, value in options.items() if name not in _WITHOUT_EFFECT}


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
        if strict is True:
            from multipool.strict import strict_class

            return object.__new__(strict_class(cls))
        return object.__new__(cls)

    def __init__(self, conninfo: Conninfo, *, driver: str | Driver, **options: Any) -> None:
        config = PoolConfig.from_options(_effective(options))
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
        #: Monotonic time until which `close` may take.
        self._close_by = NEVER
        #: Whether there has ever been a connection.
        self._connected = False
        self._filling = Filling()
        # What the hot path needs, one step away.
        self._ref: ReferenceType[Pool] = ref(self)
        self._status = self._driver.status
        self._make_places()
        #: Whether every checkout and return must go by `_lendable` and `_clean`.
        self._always_wary = self._caretaker.busy or not self._upkeep.watching
        self._inline = config.upkeep == "inline"
        #: Monotonic time at which inline upkeep is due.
        self._due = 0.0
        lifecycle.register(self)
        if not self._inline:
            self._upkeep.tend(self)

    def _make_places(self) -> None:
        self._places = Places(self._config.limit, self._ref, self._totals)
        self._idle, self._waiting = self._places.idle, self._places.waiting
        self._pop, self._push = self._idle.pop, self._idle.append
        #: Inline upkeep's one look at all sockets.
        self._ended = self._upkeep.ended

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
        if self._inline:
            clock.now = now = monotonic()
            if self._ended(0, 1) or now >= self._due:
                self._look_around(timeout)
        try:
            frame = _frame(_depth)
        except ValueError:  # called by C code alone, as the first function of a greenlet is
            frame = _frame(0)
        if self._waiting:
            return self._getconn_slowly(timeout, frame)
        try:
            conn = self._pop()
        except IndexError:
            return self._getconn_slowly(timeout, frame)
        slot: Slot = conn._multipool_slot
        if slot.wary and not self._lendable(conn, slot):
            return self._getconn_slowly(timeout, frame)
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
        Raises `ConnectionNotLeased` for a connection that is not of this pool, was returned
        already, or was lent since to another thread, where this one had it before.
        """
        try:
            slot: Slot = conn._multipool_slot
            if slot.pool_ref is not self._ref:
                raise refusing.not_ours(self, conn)
        except AttributeError:
            raise refusing.not_ours(self, conn) from None
        if slot.wary:
            refusing.refuse_stale(self, slot)
        # Read and cleared with no call in between, so of two threads that return the
        # same lease at once only one comes through.
        if slot.borrower is None:
            raise refusing.not_leased(self)
        slot.borrower = None
        try:
            wary = self._status(conn) or slot.wary
            if wary and not self._clean(conn, slot):
                return
        except BaseException:  # an interrupt: nobody knows in which state it is
            self._discard(conn, slot)
            raise
        # With no call in between: from here on it may be somebody else's.
        self._push(conn)
        if self._waiting:
            self._places.match()
        if wary:
            self._reconsider(conn, slot)

    def connection(self, timeout: float | None = None) -> Lease:
        """Return a context manager that lends a connection for a ``with`` block.

        Commits when the block ends, rolls back when it raises, then gives the connection
        back. Raises on entry what `getconn` raises, on exit what the commit raises.
        """
        lease = _new_lease(Lease)
        lease._pool = self
        lease._timeout = timeout
        return lease

    # -- growing and waiting -----------------------------------------------------------

    def _getconn_slowly(self, timeout: float | None, frame: Any) -> Any:
        if timeout is None:
            timeout = self._config.timeout
        deadline = monotonic() + timeout
        if self._places.lost:
            self._tend_soon()  # which reports them
        self._tend_if_inline(deadline)
        grant = self._ask(timeout, deadline, first=False)
        while True:
            conn = open_in(self, grant, deadline) if isinstance(grant, Room) else grant
            if conn is not None:
                slot: Slot = conn._multipool_slot
                if isinstance(grant, Room) and slot is grant.slot:  # opened just now
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
                refusing.refuse_to_wait(self, timeout, again=first)
                waiter = places.line_up(first=first)
        finally:
            places.match()
        if not places.wait(waiter, deadline):
            self._totals.add("timeouts")
            raise self._error(
                PoolTimeout,
                f"no connection within {timeout:g} s: {refusing.whole_state(self, gave_up=1)}",
            )
        if waiter.grant is CLOSED:
            raise self._error(PoolClosed, "closed while waiting")
        self._totals.add("waited")
        self._totals.add("wait_time", monotonic() - waiter.since)
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
                if self._status(conn):
                    raise self._error(PoolError, "on_checkout left a transaction open; end it")
            except BaseException:
                if self._clean(conn, slot):
                    self._keep(conn, slot)
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
        asleep = clock.asleep and not self._inline
        if self._always_wary or asleep or self._is_surplus(slot):
            slot.wary = True

    def _is_surplus(self, slot: Slot) -> bool:
        """Return whether there is one connection too many, since a `resize`, or *slot* is spent."""
        places = self._places
        return (
            slot.spent
            or self._closed
            or (
                len(places.slots) > places.limit
                and sum(not slot.spent for slot in list(places.slots)) > places.limit
            )
        )

    def _keep(self, conn: Any, slot: Slot) -> None:
        """Put a connection on the idle stack, or into waiting hands, by the slow way."""
        self._places.put(conn)
        self._reconsider(conn, slot)

    def _reconsider(self, conn: Any, slot: Slot) -> None:
        """Look again at a connection on the idle stack: a mark set while it came is heeded."""
        if self._is_surplus(slot) and self._places.pick(conn):
            self._discard(conn, slot)

    def _shelve(self, conn: Any) -> None:
        """Put a connection that nobody has lent yet among the idle ones."""
        slot: Slot = conn._multipool_slot
        slot.wary = True
        self._keep(conn, slot)

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
            self._caretaker.close(conn, slot, min(GOODBYE, self._close_by - monotonic()))
        except BaseException:
            self._driver.close(conn)
            raise
        finally:
            # In line: an interrupt at the beginning of a method of ours would keep the place.
            self._places.vacant.append(slot)
            self._places.match()
            if self._config.min_size and not self._closed:
                self._tend_soon()

    def _tend_soon(self) -> None:
        """Have upkeep look at what has changed: at once by its thread, else at the next call."""
        if self._inline:
            self._due = 0.0
        else:
            self._upkeep.tend(self)

    def _tend_if_inline(self, deadline: float | None = None) -> None:
        if self._inline and monotonic() >= self._due:
            self._due = NEVER  # what is done now may come by here again
            due = 0.0
            try:
                due = tend(self, deadline)
            finally:
                # Unless there is something to do again already.
                self._due = min(self._due, due)

    def _look_around(self, timeout: float | None) -> None:
        """Note which connections have ended, and do what is due, in a call into the pool."""
        for slot in self._upkeep.notice():
            slot.spend()
            self._due = 0.0
        self._tend_if_inline(clock.now + (self._config.timeout if timeout is None else timeout))

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
                slot = conn._multipool_slot
                if slot is not None:  # else somebody has discarded it by now
                    slot.spend()
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
        self._filling.begin_anew()
        self._upkeep.tend(self)
        while True:
            self._refuse_if_closed()
            stats = self.stats()
            if stats.size - stats.connecting >= self._config.min_size:
                return
            error = self._filling.error
            if error is not None:
                raise error.with_traceback(None)
            if monotonic() >= deadline:
                raise self._error(
                    PoolTimeout,
                    f"min_size={self._config.min_size} not reached within {timeout:g} s:"
                    f" {refusing.whole_state(self)}",
                )
            sleep(_POLL)

    def close(self, timeout: float = 5.0) -> None:
        """Close the pool and its connections; to close twice is harmless.

        Threads that wait get `PoolClosed` at once, idle connections are closed, and those
        lent out may come back within *timeout* seconds; later ones are closed on return.
        """
        self._close_by = deadline = monotonic() + timeout
        self._closed = True
        self._places.shut()
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
            self._caretaker.close(conn, conn._multipool_slot, patience=0)

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
        if not self._inline and self._config.min_size:
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

    def _error(self, kind: type[PoolError], text: str) -> PoolError:
        return refusing.error(self, kind, text)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise self._error(PoolClosed, "the pool is closed")
