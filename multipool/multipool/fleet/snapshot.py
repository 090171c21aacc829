"""What `multipool.fleet.read` returns: the whole fleet at one moment, as frozen dataclasses.

All of it is data and came from outside: any process may have written any text here, so who
shows it escapes it. Times are ages in seconds, reckoned by the server's clock, so that it
does not matter whose clocks are wrong. A stack is a tuple of ``file.py:12 in function``, the
application's frames first; it is empty where nothing is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from multipool.watch import usage as watch
from multipool.watch.demand import Peak

#: What a process may be: beating; silent for 3 of its beats; silent for 10, so dead or cut off.
State = Literal["alive", "stale", "gone"]

#: After so many of its own beats without one a process is stale, or gone.
STALE_AFTER: Final = 3
GONE_AFTER: Final = 10

Stack = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process that uses pools on this server."""

    #: The name it has in this snapshot, and the number that its host knows it by.
    id: str
    pid: int
    app: str
    host: str
    state: State
    #: Seconds since it began to use pools, since its last beat, and between two of its beats.
    uptime: float
    age: float
    every: float
    #: Whether a pooler such as PgBouncer stands between it and the server.
    pooler: bool
    #: Whether it told who holds and who waits, and which queries it runs, with its last beat:
    #: it does so when something is wrong, or while somebody reads.
    detailed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """One pool of one process: the gauges and counters of `multipool.PoolStats`."""

    #: The `Process` that it belongs to.
    process: str
    app: str
    host: str
    name: str
    driver: str
    #: ``max_size`` is None when unlimited.
    min_size: int
    max_size: int | None
    size: int
    idle: int
    used: int
    connecting: int
    waiting: int
    #: Seconds for which the one who waits longest has waited; 0 if nobody does.
    oldest_wait: float
    #: Totals since the process began: ``checkouts``, ``timeouts``, ``wait_time``, ...
    counters: Mapping[str, float]
    #: Seconds for which upkeep has looked how many of its connections are wanted, and the busiest
    #: five minutes of those; None if nothing is known yet.
    observed: float = 0.0
    peak: Peak | None = None
    #: How many connections it may open by the budget, and the whole of that; None without one.
    share: int | None = None
    budget: int | None = None
    #: Seconds that its statements have taken in all; None where it does not count them.
    statements: float | None = None

    @property
    def exhausted(self) -> bool:
        """Whether all that it may have is lent: by its size, or its share while somebody waits.

        A share that is lent is no trouble by itself, since it grows with what is wanted.
        """
        if self.share is not None and self.waiting and self.used >= self.share:
            return True
        return self.max_size is not None and self.used >= self.max_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """One connection that is lent, and by which lines of code it was come by."""

    process: str
    app: str
    host: str
    pool: str
    thread: str
    #: Seconds for which it has been held, and for which it has been idle in a transaction, if
    #: it is.
    seconds: float
    idle_in_transaction: float | None
    #: Where the connection was opened, checked out, and last given a query; and what the
    #: thread that has it was doing at the time.
    opened_at: Stack
    checked_out_at: Stack
    query_at: Stack
    doing: Stack
    #: The last statement, without literals, as far as the process knows it.
    statement: str | None
    #: The server process that serves it: a `Backend` of this snapshot, or None if not known.
    backend: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter:
    """One thread that waits for a connection."""

    process: str
    app: str
    host: str
    pool: str
    #: None where the process does not tell.
    thread: str | None
    seconds: float
    stack: Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One statement without literals, of all processes of an application together."""

    app: str
    statement: str
    #: The line of the application that runs it: ``file.py:12 in function``.
    site: str
    calls: int
    rows: int
    errors: int
    #: Seconds: of all calls together, and of one. ``share`` is that of all the application's.
    total: float
    share: float
    mean: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Usage(watch.Usage):
    """For what connections are held, in all processes of an application together."""

    app: str = field(kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One client's session on the server, from ``pg_stat_activity``."""

    pid: int
    #: When it began, as the server writes it: pid and this together name one session for good.
    started: str
    application: str
    user: str
    database: str
    client: str | None
    #: As the server has it: ``active``, ``idle in transaction``, ...; None if it may not be seen.
    state: str | None
    #: Seconds: since its state changed, its transaction began, and its last query began.
    state_age: float | None
    transaction_age: float | None
    query_age: float | None
    wait_event: str | None
    #: The server processes that keep it waiting for a lock.
    blocked_by: tuple[int, ...]
    #: The last query's text, literals and all: only where `read` was asked for ``raw_sql``.
    raw_sql: str | None
    #: The `Process` and its pool that it serves; None for others' sessions, or when not known.
    process: str | None
    pool: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """One session in a tree of who keeps whom waiting; a root keeps others, and waits for nobody.

    A session that waits for several roots stands beneath each of them; one that waits in line
    behind others stands beneath one only. Of a circle, which the server breaks within a second, one
    is taken for its root.
    """

    pid: int
    #: Seconds for which it has waited; for a root, those since its transaction began.
    seconds: float
    blocks: tuple[Blocked, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of the server's connections one application has."""

    application: str
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The server's connections: how many there are, and how many there may be."""

    used: int
    max_connections: int
    #: Kept for superusers and those in ``pg_use_reserved_connections``.
    reserved: int
    #: Who has them, the largest share first. Ours by their application, others by theirs.
    by_application: tuple[Share, ...]

    @property
    def free(self) -> int:
        """How many an application can still have."""
        return max(self.max_connections - self.reserved - self.used, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stake:
    """What one pool of one process has of its application's budget."""

    #: The `Process` that it belongs to; None where it is not known.
    process: str | None
    app: str
    host: str
    pid: int
    pool: str
    #: How many connections it has use for, how many it may open, and how many it may still
    #: hold: what is above ``cap`` it is about to close.
    want: int
    cap: int
    share: int
    #: Whether it has not asked for so long that it may open none any more.
    silent: bool
    #: Seconds since it asked.
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedBudget:
    """The connections that all processes of one application have together: option ``budget``."""

    app: str
    #: None where nobody has asked for a share lately.
    budget: int | None
    #: How many of it are kept for those who have none, and ask.
    kept: int
    #: The largest share first.
    stakes: tuple[Stake, ...]

    @property
    def shared(self) -> int:
        """How many are given to somebody."""
        return sum(stake.share for stake in self.stakes)

    @property
    def free(self) -> int:
        """How many nobody has."""
        return max((self.budget or 0) - self.kept - self.shared, 0)

    @property
    def wanted(self) -> int:
        """How many there is use for."""
        return sum(stake.want for stake in self.stakes)

    @property
    def without(self) -> int:
        """How many pools have use for connections, and may open none."""
        return sum(stake.want > 0 and not stake.cap for stake in self.stakes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """All processes of one name."""

    name: str
    hosts: int
    processes: int
    stale: int
    pools: int
    size: int
    used: int
    waiting: int
    #: Totals for ever, of processes and pools that are gone too: they never fall.
    counters: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One machine, or container."""

    name: str
    processes: int
    stale: int
    size: int
    used: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The fleet on one server at one moment."""

    #: The server's time in UTC (ISO 8601), and the seconds that reading took.
    taken_at: str
    took: float
    database: str
    server_version: str
    budget: Budget
    applications: tuple[Application, ...]
    hosts: tuple[Host, ...]
    processes: tuple[Process, ...]
    pools: tuple[PoolState, ...]
    #: The longest first.
    holders: tuple[Holder, ...]
    waiters: tuple[Waiter, ...]
    #: The most expensive first.
    queries: tuple[Query, ...]
    backends: tuple[Backend, ...]
    #: The roots, those that keep most others waiting first.
    blocking: tuple[Blocked, ...]
    #: Sentences that a reader should know: what cannot be seen, and why.
    notes: tuple[str, ...]
    #: Of those applications that share one.
    budgets: tuple[SharedBudget, ...] = ()
    #: What Django's views, tasks and commands hold connections for, those first that leave them
    #: idle longest: of each pool of a process some `multipool.fleet.detail.USAGES` are told.
    usage: tuple[Usage, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the same as dicts and tuples, fit for JSON."""
        return asdict(self)
