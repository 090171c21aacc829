"""What a pool counts, as a snapshot."""

from __future__ import annotations

from _thread import allocate_lock
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, Final

from multipool import listening
from multipool.listening import What

#: Seconds by which durations are sorted: those up to the first, up to the second, ..., and
#: longer. The boundaries that OpenTelemetry's conventions advise for database clients.
BOUNDS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class PoolStats:
    """The state of one pool at one moment, and its totals since it was made."""

    name: str
    driver: str
    #: The bounds in force. ``max_size`` is None when unlimited.
    min_size: int
    max_size: int | None
    #: Places taken now: ``idle`` + ``used`` + ``connecting``.
    size: int
    idle: int
    used: int
    connecting: int
    #: Threads that wait now.
    waiting: int
    #: How many it may have by the budget that all processes of the application share, and the
    #: whole of that as far as is known; None without one.
    share: int | None
    budget: int | None
    #: Totals: connections opened, attempts that failed, connections closed.
    opened: int
    connect_errors: int
    closed: int
    #: Checkouts that got a connection, and those of them that had to wait.
    checkouts: int
    waited: int
    #: Checkouts that gave up after ``timeout``, and those refused by ``max_waiting``.
    timeouts: int
    rejected: int
    #: Connections whose borrower lost them: collected without having been returned.
    lost: int
    #: Leases that lasted longer than ``held_after``, and times that one was idle in a transaction
    #: for longer than ``idle_in_transaction_after``.
    held_too_long: int
    idle_in_transaction_too_long: int
    #: Seconds, summed: connecting, waiting of those who had to, and, if the option ``use_time``
    #: is on, from checkout to return.
    connect_time: float
    wait_time: float
    use_time: float
    #: Seconds that connections were lent, summed over all of them, as upkeep saw it now and then.
    busy_time: float
    #: How many of each took up to each of `BOUNDS`, and, at the end, longer; ``use_times`` is
    #: empty unless the option is on.
    connect_times: tuple[int, ...]
    wait_times: tuple[int, ...]
    use_times: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures under OpenTelemetry's names (semantic conventions 1.44).

        ``db.client.connection.count`` is a dict by state. Where the conventions have
        no name, ours begin with ``multipool.``. Times are in seconds; what is not measured
        is None.
        """
        return {
            "db.client.connection.pool.name": self.name,
            "db.client.connection.count": {"idle": self.idle, "used": self.used},
            "db.client.connection.max": self.max_size,
            "db.client.connection.idle.min": self.min_size,
            "db.client.connection.idle.max": self.max_size,
            "db.client.connection.pending_requests": self.waiting,
            "db.client.connection.timeouts": self.timeouts,
            "db.client.connection.create_time": self.connect_time,
            "db.client.connection.wait_time": self.wait_time,
            "db.client.connection.use_time": self.use_time if self.use_times else None,
            "multipool.driver": self.driver,
            "multipool.connection.connecting": self.connecting,
            "multipool.budget.share": self.share,
            "multipool.budget.limit": self.budget,
            "multipool.connection.opened": self.opened,
            "multipool.connection.errors": self.connect_errors,
            "multipool.connection.closed": self.closed,
            "multipool.connection.lost": self.lost,
            "multipool.connection.held_too_long": self.held_too_long,
            "multipool.connection.idle_in_transaction_too_long": self.idle_in_transaction_too_long,
            "multipool.connection.busy_time": self.busy_time,
            "multipool.checkouts": self.checkouts,
            "multipool.checkouts.waited": self.waited,
            "multipool.checkouts.rejected": self.rejected,
        }


class Totals:
    """The running totals of one pool. Never touched on the hot path."""

    def __init__(self, pool: str, *, use_time: bool) -> None:
        self._pool = pool
        self._use_time = use_time
        self.begin_anew()

    def begin_anew(self) -> None:
        """Count from nothing, in a forked child; another thread may have held the lock."""
        self._lock = allocate_lock()
        self._told = 0
        #: ``checkouts`` only of connections that are gone: the others' slots count their own.
        self._values: dict[str, Any] = {
            "opened": 0,
            "connect_errors": 0,
            "closed": 0,
            "checkouts": 0,
            "waited": 0,
            "timeouts": 0,
            "rejected": 0,
            "lost": 0,
            "held_too_long": 0,
            "idle_in_transaction_too_long": 0,
            "connect_time": 0.0,
            "wait_time": 0.0,
            "use_time": 0.0,
        }
        self._times = {
            "connect_times": [0] * (len(BOUNDS) + 1),
            "wait_times": [0] * (len(BOUNDS) + 1),
            "use_times": [0] * (len(BOUNDS) + 1) if self._use_time else [],
        }

    def add(self, name: str, amount: float = 1) -> None:
        """Add *amount* to the total *name*."""
        with self._lock:
            self._values[name] += amount

    def add_connect(self, seconds: float) -> None:
        """Add a connection that took so long to open."""
        self.add("opened")
        self._add_time("connect", seconds)

    def add_wait(self, seconds: float) -> None:
        """Add one that waited so long."""
        values, times = self._values, self._times["wait_times"]
        place = bisect_left(BOUNDS, seconds)
        # Nobody else adds to these, and there is no call among them, so no other thread comes
        # in between: where many wait, each comes by here, and a lock would cost twice as much.
        values["waited"] += 1
        values["wait_time"] += seconds
        times[place] += 1
        if listening.listeners:
            listening.tell(self._pool, "wait", seconds)

    def add_use(self, seconds: float) -> None:
        """Add a lease that lasted so long. Finalisers come by here, wherever they run."""
        self._add_time("use", seconds)

    def _add_time(self, what: What, seconds: float) -> None:
        total, times = f"{what}_time", self._times[f"{what}_times"]
        place = bisect_left(BOUNDS, seconds)
        # With the lock held there is no call, so no finaliser, which might want it, comes in.
        with self._lock:
            self._values[total] += seconds
            times[place] += 1
        listening.tell(self._pool, what, seconds)

    def no_fewer(self, checkouts: int) -> int:
        """Return *checkouts*, or what was told before, if that is more: such figures never fall.

        Those of a connection that has just gone are for a moment not among them.
        """
        if checkouts > self._told:  # no call from here to the store
            self._told = checkouts
        return self._told

    def as_dict(self) -> dict[str, Any]:
        """Return a copy. Takes no lock, which a finaliser that runs meanwhile may want."""
        return {
            **self._values,
            **{name: tuple(times) for name, times in self._times.items()},
        }
