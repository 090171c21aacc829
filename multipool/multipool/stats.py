"""What a pool counts, as a snapshot."""

from __future__ import annotations

from _thread import allocate_lock
from dataclasses import dataclass
from typing import Any


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
    #: Seconds, summed: connecting, and waiting of those who had to.
    connect_time: float
    wait_time: float

    def as_dict(self) -> dict[str, Any]:
        """Return the figures under OpenTelemetry's names (semantic conventions 1.44).

        ``db.client.connection.count`` is a dict by state. Where the conventions have
        no name, ours begin with ``multipool.``. Times are in seconds.
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
            "multipool.driver": self.driver,
            "multipool.connection.connecting": self.connecting,
            "multipool.connection.opened": self.opened,
            "multipool.connection.errors": self.connect_errors,
            "multipool.connection.closed": self.closed,
            "multipool.connection.lost": self.lost,
            "multipool.checkouts": self.checkouts,
            "multipool.checkouts.waited": self.waited,
            "multipool.checkouts.rejected": self.rejected,
        }


class Totals:
    """The running totals of one pool. Never touched on the hot path."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Count from nothing, in a forked child; another thread may have held the lock."""
        self._lock = allocate_lock()
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
            "connect_time": 0.0,
            "wait_time": 0.0,
        }

    def add(self, name: str, amount: float = 1) -> None:
        """Add *amount* to the total *name*."""
        with self._lock:
            self._values[name] += amount

    def add_wait(self, seconds: float) -> None:
        """Add one that waited so long."""
        with self._lock:
            self._values["waited"] += 1
            self._values["wait_time"] += seconds

    def as_dict(self) -> dict[str, Any]:
        """Return a copy. Takes no lock, which a finaliser that runs meanwhile may want."""
        return dict(self._values)
