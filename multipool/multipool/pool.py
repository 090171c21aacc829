"""The pool: lends connections, takes them back, never has more than ``max_size``.

`Pool.getconn` pops the most recently used idle connection, `Pool.putconn` pushes it back.
As long as nobody waits, neither takes a lock, makes a system call or a round trip. All
else is decided in `places`, done to a connection by `caretaker`, or left to `upkeep`.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self
from weakref import ReferenceType, ref

from multipool import lifecycle, upkeep
from multipool.borrower import here
from multipool.caretaker import NEVER, SHORTEST, Caretaker
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
from multipool.places import Grant, Places
from multipool.slot import SPENT, Slot
from multipool.stats import PoolStats, Totals
from multipool.target import Target

Conninfo = str | Mapping[str, Any] | Callable[[], str | Mapping[str, Any]]

_numbers = itertools.count(1)
_frame = sys._getframe

#: Seconds between two looks of the few calls that wait for a state: `wait` and `close`.
_POLL = 0.005


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

    def __init__(self, conninfo: Conninfo, *, driver: str | Driver, **options: Any) -> None:
        config = PoolConfig.from_options(options)
        self._config = config
        self._name = config.name or f"pool-{next(_numbers)}"
        try:
            self._driver = get_driver(driver)
            self._target = Target(conninfo, self._driver)
        except PoolConfigError as error:
            raise PoolConfigError(f"pool {self._name!r}: {error}") from error.__cause__
        self._caretaker = Caretaker(self._name, self._driver, self._target, config)
        self._totals = Totals()
        self._closed = False
        self._fill_error: Exception | None = None
        # What the hot path needs, one step away.
        self._ref: ReferenceType[Pool] = ref(self)
        self._places = Places(config.limit, self._ref, self._totals)
        self._idle, self._waiting = self._places.idle, self._places.waiting
        self._status = self._driver.status
        self._checks = config.check is not None
        #: Whether a return must go through `_clean` even if no transaction is open.
        self._careful = config.reset is not None
        lifecycle.register(self)
        upkeep.tend(self)

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
        if not self._waiting:
            try:
                conn = self._idle.pop()
            except IndexError:
                return self._getconn_slowly(timeout, _frame(_depth))
            slot: Slot = conn._multipool_slot
            now = monotonic()
            if now < slot.expires and not self._checks:
                frame = _frame(_depth)
                slot.since = now
                slot.borrower = here.borrower
                slot.code = frame.f_code
                slot.lasti = frame.f_lasti
                slot.serial += 1
                slot.leased = True
                return conn
            # Not fit as it is: the slow path judges it.
            self._idle.append(conn)
        return self._getconn_slowly(timeout, _frame(_depth))

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
        # Read and cleared with no call in between, so of two threads that return the
        # same lease at once only one comes through.
        if not slot.leased:
            raise self._error(ConnectionNotLeased, "this connection was returned already")
        slot.leased = False
        if (self._status(conn) or self._careful) and not self._clean(conn, slot):
            return
        now = monotonic()
        if now >= slot.expires:
            self._discard(conn, slot)
            return
        slot.since = now
        self._idle.append(conn)
        if self._waiting:
            self._places.match()

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
        unfit = False
        while True:
            grant = self._ask(timeout, deadline, first=unfit)
            if isinstance(grant, Slot):
                conn = self._open(grant, max(deadline - monotonic(), 0.0))
                break
            conn = grant
            if self._fit(conn):
                break
            unfit = True
        slot: Slot = conn._multipool_slot
        slot.since = monotonic()
        slot.borrower = here.borrower
        slot.code = frame.f_code
        slot.lasti = frame.f_lasti
        slot.serial += 1
        slot.leased = True
        return conn

    def _ask(self, timeout: float, deadline: float, *, first: bool) -> Grant:
        """Return an idle connection or a place to open one in, waiting in line if need be.

        *first* keeps its turn to a thread that was given a connection of no use.
        """
        places = self._places
        with places:
            self._refuse_if_closed()
            grant = None if self._waiting and not first else places.take()
            if grant is not None:
                return grant
            if timeout <= 0:
                self._totals.add("timeouts")
                raise self._error(PoolTimeout, f"no connection at once: {self._whole_state()}")
            self._refuse_own_deadlock()
            limit = self._config.max_waiting
            if limit and len(self._waiting) >= limit:
                self._totals.add("rejected")
                raise self._error(
                    TooManyWaiting,
                    f"max_waiting={limit} threads wait already: {self._whole_state()}",
                )
            waiter = places.line_up(first=first)
        try:
            waiter.wait(deadline - monotonic())
        except BaseException:
            places.leave(waiter)
            raise
        with places:
            # Given at the last moment is given in time.
            if waiter.grant is None:
                self._totals.add("timeouts")
                error = self._error(
                    PoolTimeout, f"no connection within {timeout:g} s: {self._whole_state()}"
                )
                self._waiting.remove(waiter)
                raise error
        self._totals.add("waited")
        self._totals.add("wait_time", monotonic() - waiter.since)
        if isinstance(waiter.grant, BaseException):
            raise waiter.grant
        return waiter.grant

    # -- one connection ------------------------------------------------------------------

    def _open(self, slot: Slot, timeout: float) -> Any:
        """Open a connection in *slot*, in the caller's thread; on any failure the place is free."""
        started = monotonic()
        try:
            conn = self._caretaker.open(slot, timeout)
        except BaseException:
            self._totals.add("connect_errors")
            self._places.vacate(slot)
            raise
        self._totals.add("opened")
        self._totals.add("connect_time", monotonic() - started)
        if self._closed:
            self._discard(conn, slot)
            self._refuse_if_closed()
        return conn

    def _fit(self, conn: Any) -> bool:
        """Return whether *conn* may be lent; if not, it is discarded."""
        try:
            fit = self._caretaker.fit(conn)
        except BaseException:
            self._discard(conn, conn._multipool_slot)
            raise
        if not fit:
            self._discard(conn, conn._multipool_slot)
        return fit

    def _clean(self, conn: Any, slot: Slot) -> bool:
        """Clean a returned connection, or discard it and return False."""
        if len(self._places.slots) > self._places.limit:  # since a `resize`
            self._discard(conn, slot)
            return False
        try:
            clean = self._caretaker.clean(conn)
        except BaseException:  # an interrupt: nobody knows in which state it is
            self._discard(conn, slot)
            raise
        if not clean:
            self._discard(conn, slot)
        return clean

    def _discard(self, conn: Any, slot: Slot) -> None:
        """Close *conn*, without making anybody wait for it; then its place is free."""
        slot.expires = SPENT
        upkeep.background(self._close_and_vacate, conn, slot)

    def _close_and_vacate(self, conn: Any, slot: Slot) -> None:
        self._caretaker.close(conn, slot)
        self._totals.add("closed")
        self._places.vacate(slot)

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
        with self._places:
            slots = list(self._places.slots)
            waiting = len(self._waiting)
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
            waiting=waiting,
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
        with places:
            self._refuse_if_closed()
            self._config, places.limit = config, config.limit
            surplus = len(places.slots) - places.limit
            # Nobody knows which of the lent ones comes back first: each is asked on return.
            self._careful = config.reset is not None or surplus > 0
            idle = sorted(
                (conn._multipool_slot for conn in tuple(self._idle)), key=lambda slot: slot.since
            )
            for slot in idle[: int(min(max(surplus, 0), len(idle)))]:
                slot.expires = SPENT
        upkeep.tend(self)

    def drain(self) -> None:
        """Replace every connection: idle ones are closed now, lent ones as they come back.

        For a fail-over, new credentials, or a changed server setting. Nobody is interrupted.
        """
        self._places.spend()
        upkeep.tend(self)

    def wait(self, timeout: float = 30.0) -> None:
        """Block until ``min_size`` connections are open, opening what is missing.

        Raises `PoolTimeout` after *timeout* seconds, `PoolClosed`, or the driver's error
        when a connection cannot be opened.
        """
        deadline = monotonic() + timeout
        self._fill_error = None
        upkeep.tend(self)
        while self.stats().size - self.stats().connecting < self._config.min_size:
            self._refuse_if_closed()
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
        upkeep.tend(self)
        # Polled, since a lost connection's finaliser may take no lock to tell us.
        while self.stats().size and monotonic() < deadline:
            sleep(_POLL)

    def _let_go(self) -> None:
        """Close what is idle, here and now: the pool was dropped, or the interpreter exits."""
        self._closed = True
        self._places.spend()
        while self._idle:
            conn = self._idle.pop()
            self._caretaker.close(conn, conn._multipool_slot)

    def _after_fork(self) -> None:
        """Begin anew in a forked child: what the parent opened is the parent's."""
        conns = list(self._idle)
        conns += [slot.conn_ref() for slot in self._places.slots if slot.leased and slot.conn_ref]
        self._totals = Totals()
        self._places = Places(self._config.limit, self._ref, self._totals)
        self._idle, self._waiting = self._places.idle, self._places.waiting
        for conn in conns:
            if conn is not None:
                self._caretaker.abandon(conn, conn._multipool_slot)

    def __del__(self) -> None:
        if hasattr(self, "_totals"):  # else the constructor refused its arguments
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
        state = (
            "closed" if self._closed else f"{len(self._places.slots)} of {self._config.max_size}"
        )
        return f"<Pool {self._name!r} {self._driver.name} {self._target} {state}>"

    # -- upkeep ------------------------------------------------------------------------------

    def _tend(self) -> float:
        """Close what is spent or idle for too long, open what ``min_size`` lacks.

        Returns the monotonic time at which there is something to do again. Called by
        upkeep's thread, and by `resize`, `drain`, `close`; blocks on no server.
        """
        now = monotonic()
        max_idle, max_lifetime = self._config.max_idle, self._config.max_lifetime
        # What is opened or returned from now on cannot be due sooner than this.
        due = now + min(max_idle or NEVER, (max_lifetime or NEVER) * SHORTEST)
        spare = len(self._places.slots) - self._config.min_size
        for conn in tuple(self._idle):  # the coldest first
            slot: Slot | None = conn._multipool_slot
            if slot is None:
                continue
            ends = slot.expires
            if max_idle is not None and spare > 0:
                ends = min(ends, slot.since + max_idle)
            if now < ends:
                due = min(due, ends)
            elif self._places.pick(conn):
                spare -= 1
                self._discard(conn, slot)
        self._fill()
        return due

    def _fill(self) -> None:
        """Open, in the background, as many connections as ``min_size`` lacks."""
        places = self._places
        with places:
            lacking = 0 if self._closed else self._config.min_size - len(places.slots)
            slots = [places.reserve() for _ in range(lacking)]
        for slot in slots:
            upkeep.background(self._open_idle, slot)

    def _open_idle(self, slot: Slot) -> None:
        try:
            conn = self._open(slot, self._config.timeout)
        except Exception as error:
            self._fill_error = error
            lifecycle.log.warning(
                "pool %r: a connection for min_size could not be opened: %s",
                self._name,
                type(error).__name__,
            )
        else:
            self._places.put(conn)

    # -- words ---------------------------------------------------------------------------------

    def _error(self, kind: type[PoolError], text: str) -> PoolError:
        return for_driver(kind, self._driver.OperationalError)(f"pool {self._name!r}: {text}")

    def _whole_state(self) -> str:
        return describe_holders(self._places.slots, self._config.max_size, len(self._waiting))

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise self._error(PoolClosed, "the pool is closed")

    def _refuse_own_deadlock(self) -> None:
        """Raise if this thread holds all there is: it would wait for itself."""
        me = here.borrower
        own = [slot for slot in self._places.slots if slot.leased and slot.borrower is me]
        if len(own) >= self._places.limit:
            raise self._error(
                PoolTimeout,
                "this thread holds every connection already and would wait for itself: "
                + self._whole_state(),
            )

    def _not_ours(self, conn: Any) -> PoolError:
        return self._error(
            ConnectionNotLeased,
            f"this {type(conn).__name__} is not one of this pool's connections",
        )
