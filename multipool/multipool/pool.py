"""The pool: lends connections, takes them back, never has more than ``max_size``.

Its public face. What it has inside is `inner`'s, the everyday checkout and return `hotpath`'s,
everything out of the ordinary `lending`'s; who gets what is decided in `places`, and what
nobody should wait for is left to `upkeep`.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Mapping
from time import monotonic, sleep
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from weakref import ref

from multipool import compiled_path, hotpath, lifecycle, refusing, strict, upkeep
from multipool.config import WITHOUT_EFFECT, PoolConfig
from multipool.driver import Driver, get_driver, observes
from multipool.errors import PoolConfigError, PoolTimeout, one_more
from multipool.inner import Inner
from multipool.lease import CallingLease, Lease
from multipool.seconds import refuse_unless_seconds, refuse_unless_timeout
from multipool.stats import PoolStats
from multipool.target import Target

if TYPE_CHECKING:
    from multipool.hold import Hold
    from multipool.plans.handle import Handle
    from multipool.plans.planner import Planner
    from multipool.plans.report import PlanReport
    from multipool.pool_cursor import PoolCursor
    from multipool.watch.queries.report import By, QueryReport
    from multipool.watch.records import Holder
    from multipool.watch.usage import UsageReport

Conninfo = str | Mapping[str, Any] | Callable[[], str | Mapping[str, Any]]

_numbers = itertools.count(1)
# A call of the class would find an `__init__` by the slow way, for a sixth of the whole price.
_new_lease = object.__new__

#: Seconds between two looks of the few calls that wait for a state: `wait` and `close`.
_POLL = 0.005


def _effective(options: dict[str, Any]) -> dict[str, Any]:
    """Return *options* without those of psycopg_pool that mean nothing here, and say so."""
    for name, reason in WITHOUT_EFFECT.items():
        if name in options:
            warnings.warn(f"option {name} has no effect: {reason}", UserWarning, stacklevel=3)
    return {name: value for name, value in options.items() if name not in WITHOUT_EFFECT}


def _refuse_what_goes_beyond(driver: Driver, config: PoolConfig, name: str) -> None:
    """Raise `PoolConfigError` for an option of the pool *name* that *driver* cannot serve."""
    lacking: dict[str, str] = {}
    if not driver.asks:  # a budget turns the fleet on
        lacking |= dict.fromkeys(("budget", "fleet"), "cannot report to a fleet")
    if not observes(driver):
        lacking |= dict.fromkeys(("queries", "comments"), "does not tell what is executed")
    for option, reason in lacking.items():
        value = getattr(config, option)
        if value:
            raise PoolConfigError(
                f"pool {name!r}: option {option}={value!r}: driver {driver.name!r} {reason}"
            )


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

    A pool that nobody refers to any more closes; whoever keeps its `getconn` must keep it too.
    A subclass may have a `getconn` and `putconn` of its own for those who call them, but
    `connection` and a connection's ``close`` do not: for what must always happen there are
    hooks.
    """

    def __init__(self, conninfo: Conninfo, *, driver: str | Driver, **options: Any) -> None:
        config = PoolConfig.from_options(_effective(options))
        name = config.name or f"pool-{next(_numbers)}"
        try:
            adapter = get_driver(driver)
            target = Target(conninfo, adapter)
        except PoolConfigError as error:
            raise PoolConfigError(f"pool {name!r}: {error}") from error.__cause__
        _refuse_what_goes_beyond(adapter, config, name)
        self._inner = inner = Inner(name, adapter, target, config, upkeep.of(config.upkeep))
        inner.owner = ref(self)
        inner.getconn, inner.putconn, inner.endlease = hotpath.lay(inner)
        self._getconn, self._putconn = inner.getconn, inner.putconn
        self._lease: type[Lease] = CallingLease if inner.inline or compiled_path.in_use else Lease
        if config.strict:
            self._getconn, self._putconn = strict.lay(inner)
            self._lease = strict.StrictLease
        # The methods of these names only call them; but a subclass may have its own.
        for method, function in ((_getconn, self._getconn), (_putconn, self._putconn)):
            function.__doc__, function.__qualname__ = method.__doc__, method.__qualname__
            if getattr(type(self), method.__name__) is method:
                setattr(self, method.__name__, function)
        if config.prepare and config.prepare.get("threshold"):
            self._planner()
        lifecycle.register(self)
        if not inner.inline:
            inner.upkeep.tend(inner)

    # -- checkout and return -------------------------------------------------------

    def getconn(self, timeout: float | None = None, _depth: int = 1) -> Any:
        """Check a connection out; give it back with `putconn` or with its own ``close``.

        Args:
            timeout: seconds that waiting and connecting may take together; None means the
                pool's ``timeout``. With 0 or less nobody is waited for: it is what is idle, or
                what opens where there is room, within two seconds.

        Returns the driver's own connection, outside of any transaction. Raises
        `PoolTimeout`, `TooManyWaiting`, `PoolClosed`, `PoolConfigError` for what is no timeout,
        or the driver's error when a new connection cannot be opened. A finaliser or signal
        handler may come in the midst of what its own thread does in the pool: it gets what is
        idle, or `PoolTimeout` at once.
        """
        return self._getconn(timeout, _depth + 1)

    def putconn(self, conn: Any) -> None:
        """Give back a connection that `getconn` lent.

        A transaction left open is rolled back first; what cannot be cleaned is closed.
        Raises `ConnectionNotLeased` for a connection that is not of this pool, was returned
        already, or was lent since to another thread, where this one had it before. So what
        ends leases in the name of other threads, as a finaliser does, wherever it may run,
        should hold a `connection` and leave that.
        """
        self._putconn(conn)

    def connection(self, timeout: float | None = None) -> Lease:
        """Return a context manager that lends a connection for a ``with`` block.

        Commits when the block ends, rolls back when it raises, then gives the connection
        back. Raises on entry what `getconn` raises, on exit what the commit raises.
        """
        if timeout is not None:
            refuse_unless_timeout(self._inner.name, timeout)
        lease = _new_lease(self._lease)
        lease._pool = self
        lease._inner = self._inner
        lease._timeout = timeout
        return lease

    # -- one statement on any connection -------------------------------------------------

    def execute(self, sql: Any, params: Any = None, timeout: float | None = None) -> PoolCursor:
        """Execute one statement, a transaction of its own, on whichever connection is idle.

        Args:
            sql: with the driver's own placeholders, as *params* are the driver's.
            timeout: as in `getconn`.

        Returns a cursor with all rows, which holds no connection. Raises what `getconn`
        raises, and the driver's error.
        """
        return self.cursor(timeout).execute(sql, params, _depth=2)

    def cursor(self, timeout: float | None = None) -> PoolCursor:
        """Return a cursor whose every `execute` is as that of the pool."""
        from multipool.pool_cursor import PoolCursor

        refuse_unless_timeout(self._inner.name, timeout)
        return PoolCursor(self, timeout)

    def hold(self) -> Hold:
        """Return a context manager: `execute` keeps to one connection within its block.

        For what the session must still have at the next statement: temporary tables, advisory
        locks, SET. The connection is checked out by the first statement that needs one, and
        goes back, reset if need be, at the end. A block inside another is part of it.
        """
        from multipool.hold import Hold

        return Hold(self)

    # -- the rest of the public face -------------------------------------------------------

    @property
    def name(self) -> str:
        """The pool's name, as in its messages and metrics."""
        return self._inner.name

    @property
    def driver(self) -> Driver:
        """The adapter in use."""
        return self._inner.driver

    @property
    def config(self) -> PoolConfig:
        """The options in force."""
        return self._inner.config

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._inner.closed

    def stats(self) -> PoolStats:
        """Return what the pool has and what it has done, as a frozen dataclass."""
        inner = self._inner
        # The totals first: a slot that goes is added to them when it is gone.
        totals = inner.totals.as_dict()
        slots = list(inner.places.slots)
        idle = len(inner.places.idle)
        used = sum(slot.leased is not None for slot in slots)
        config = inner.config
        leases = totals["checkouts"] + sum(slot.serial for slot in slots)
        totals["checkouts"] = inner.totals.no_fewer(leases)
        return PoolStats(
            name=inner.name,
            driver=inner.driver.name,
            min_size=config.min_size,
            max_size=config.max_size if isinstance(config.max_size, int) else None,
            size=len(slots),
            idle=idle,
            used=used,
            connecting=max(len(slots) - idle - used, 0),
            waiting=len(inner.places.queue()),
            share=None if inner.stake is None else inner.stake.cap,
            budget=None if inner.stake is None else inner.stake.whole,
            busy_time=inner.demand.busy,
            **totals,
        )

    def resize(self, *, min_size: int | None = None, max_size: Any = None) -> None:
        """Change the bounds while running; what is left out stays.

        Idle connections above a lower ``max_size`` are closed now, lent ones as they come
        back. Raises `PoolConfigError` as the constructor does.
        """
        changes = {"min_size": min_size, "max_size": max_size}
        inner = self._inner
        inner.refuse_if_closed()
        refusing.refuse_resize_amid(inner)
        try:
            with inner.places.lock:  # two calls at once may each change one of the bounds
                inner.config = inner.config.replace(
                    name=inner.name, **{k: v for k, v in changes.items() if v is not None}
                )
        finally:
            inner.places.match()
        inner.confine(math.inf if inner.stake is None else inner.stake.cap)
        inner.upkeep.tend(inner)

    def drain(self) -> None:
        """Replace every connection: idle ones are closed now, lent ones as they come back.

        For a fail-over, new credentials, or a changed server setting. Nobody is interrupted.
        What ``min_size`` lacks, since it could not be opened before, is tried again at once.
        """
        self._inner.places.spend()
        self._inner.filling.hurry()
        self._inner.upkeep.tend(self._inner)

    def wait(self, timeout: float = 30.0) -> None:
        """Block until ``min_size`` connections are open, opening what is missing.

        Raises `PoolTimeout` after *timeout* seconds, `PoolClosed`, or the driver's error
        when a connection cannot be opened.
        """
        inner = self._inner
        refuse_unless_seconds(inner.name, "timeout", timeout)
        deadline = monotonic() + timeout
        inner.filling.begin_anew()
        inner.upkeep.tend(inner, deadline)
        while True:
            inner.refuse_if_closed()
            stats = self.stats()
            if stats.size - stats.connecting >= inner.config.min_size:
                return
            error = inner.filling.error
            if error is not None:
                raise one_more(error)
            if monotonic() >= deadline:
                raise inner.error(
                    PoolTimeout,
                    f"min_size={inner.config.min_size} not reached within {timeout:g} s:"
                    f" {refusing.whole_state(inner)}",
                )
            sleep(_POLL)
            inner.upkeep.step(inner, deadline)

    # -- prepared statements ---------------------------------------------------------------

    def prepare(self, source: Any, *, limits: bool = False) -> Handle:
        """Have a statement executed prepared, on any connection, whenever its text is executed.

        Args:
            source: the text as it will be executed, with its placeholders; or what such a
                text can be had of, as Django's querysets.
            limits: make the numbers of a trailing LIMIT and OFFSET parameters, so that all
                pages share one plan.

        Returns a `Handle`, which asks for the statement until it is closed, or while it is
        used as a context manager or decorator. Cursors that exist already are not concerned.
        A statement that turns out to be slower prepared is given up for a while: see `plans`.
        Raises `PoolConfigError` for what cannot be prepared, or not with this driver.
        """
        return self._planner().prepare(source, limits)

    def plans(self) -> list[PlanReport]:
        """Return what is known of each statement that is, or may come to be, prepared."""
        planner = self._inner.caretaker.planner
        return [] if planner is None else planner.report()

    # -- the query report ------------------------------------------------------------------

    def queries(self, by: By = "total", limit: int | None = None) -> QueryReport:
        """Return what was executed since the pool was made: each statement by its call site.

        Args:
            by: what comes first: that of the greatest ``"total"`` time, most ``"calls"``, the
                greatest ``"mean"`` or ``"p95"``.
            limit: how many are told apart. None: all that are kept, some 500.

        Returns a sequence of `Query` records, whose ``str`` is a table; those of several pools
        and processes add up by ``+``. Empty where the option `queries` is off, as it is unless
        asked for, but in Django. Raises ValueError for another *by* or *limit*.
        """
        from multipool.watch.queries.report import QueryReport

        log = self._inner.query_log
        report = QueryReport(()) if log is None else log.report()
        return report.sorted(by, limit)

    def usage(self) -> UsageReport:
        """Return for what connections were held, and how much of that time they were used.

        A sequence of `Usage` records, one for each view, task, management command and other
        function that borrowed; its ``str`` is a table, and says where ``hold="transaction"`` would
        help. Counted by the Django backends alone, and only with the option `queries`.
        """
        from multipool.watch.usage import UsageReport

        log = self._inner.usage_log
        return UsageReport(()) if log is None else log.report(list(self._inner.places.slots))

    def _planner(self) -> Planner:
        inner = self._inner
        if not inner.driver.prepares:
            raise PoolConfigError(
                f"pool {inner.name!r}: driver {inner.driver.name!r} prepares no statements"
            )
        return inner.begin_planning()

    # -- watching ------------------------------------------------------------------------

    def held(self, longer_than: float | None = None) -> list[Holder]:
        """Return who holds connections for longer than so many seconds, the longest first.

        ``str`` of a record shows where the connection was checked out, where its last cursor and
        query were made, and where its borrower is now. None: the pool's ``held_after``.
        """
        from multipool.watch import finding

        option = "the pool's held_after"
        refuse_unless_seconds(self._inner.name, "longer_than", longer_than, or_none=option)
        return finding.held(self._inner, longer_than)

    def idle_in_transaction(self, longer_than: float | None = None) -> list[Holder]:
        """Return who leaves a transaction open and has executed nothing for so many seconds.

        A failed transaction counts too. None: the pool's ``idle_in_transaction_after``. Empty
        with ``trace=False``, and with a driver that does not tell what is executed.
        """
        from multipool.watch import finding

        option = "the pool's idle_in_transaction_after"
        refuse_unless_seconds(self._inner.name, "longer_than", longer_than, or_none=option)
        return finding.idle_in_transaction(self._inner, longer_than)

    def as_table(self) -> str:
        """Return the pool's state and a table of who holds its connections, for a person."""
        from multipool.watch import table

        return table.as_table(self._inner)

    def close(self, timeout: float = 5.0) -> None:
        """Close the pool and its connections; to close twice is harmless.

        Threads that wait get `PoolClosed` at once, idle connections are closed, and those
        lent out may come back within *timeout* seconds; later ones are closed on return.
        """
        inner = self._inner
        refuse_unless_seconds(inner.name, "timeout", timeout)
        inner.close_by = deadline = monotonic() + timeout
        self._leave()
        inner.closed = True
        inner.places.shut()
        inner.upkeep.tend(inner)
        # Polled, since a lost connection's finaliser may take no lock to tell us.
        while self.stats().size and monotonic() < deadline:
            sleep(_POLL)
            inner.upkeep.step(inner, deadline)

    def _leave(self) -> None:
        self._inner.leave()

    def _let_go(self) -> None:
        self._inner.let_go()

    def _after_fork(self) -> None:
        self._inner.after_fork()

    def __del__(self) -> None:
        if hasattr(self, "_inner"):  # else the constructor refused its arguments
            try:
                lifecycle.dropped(self)
            finally:
                self._let_go()

    def __reduce__(self) -> Any:
        raise TypeError("a pool cannot be copied or pickled: its connections belong to one process")

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
        inner = self._inner
        size = f"{len(inner.places.slots)} of {inner.config.max_size}"
        state = "closed" if inner.closed else size
        return f"<Pool {inner.name!r} {inner.driver.name} {inner.target} {state}>"


_getconn, _putconn = Pool.getconn, Pool.putconn


def pools() -> list[Pool]:
    """Return the pools of this process that are neither closed nor dropped, by name."""
    found: list[Pool] = lifecycle.registered()
    return sorted((pool for pool in found if not pool.closed), key=lambda pool: pool.name)
