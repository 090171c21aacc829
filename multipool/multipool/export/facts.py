"""What is told of a pool: names, units and attributes as OpenTelemetry's conventions write them.

Those of ``db.client.connection.*`` are those of the semantic conventions 1.44, word by word;
where they have no name, ours begin with ``multipool.``, as in `PoolStats.as_dict`.
https://opentelemetry.io/docs/specs/semconv/db/database-metrics/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from multipool.listening import What
from multipool.stats import PoolStats

#: The conventions that these names are of.
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

POOL_NAME: Final = "db.client.connection.pool.name"
STATE: Final = "db.client.connection.state"


@dataclass(frozen=True)
class Figure:
    """A number that is read when somebody asks: how many there are, or have been."""

    name: str
    unit: str
    description: str
    #: Which of `PoolStats` it is: one, under None, or one for each state.
    fields: Mapping[str | None, str]
    #: Whether it only grows. OpenTelemetry's counter, else its up-down counter.
    total: bool = False
    #: Whether each pool tells the same of all together, which is no sum. OpenTelemetry's gauge.
    common: bool = False

    @property
    def kind(self) -> str:
        """Return what OpenTelemetry calls it."""
        return "counter" if self.total else "gauge" if self.common else "up-down counter"

    @property
    def attributes(self) -> list[str]:
        """The names of its attributes."""
        return [POOL_NAME] if None in self.fields else [POOL_NAME, STATE]

    def values(self, stats: PoolStats) -> Iterator[tuple[dict[str, str], float]]:
        """Yield its values, each with its attributes. An unlimited ``max_size`` has none."""
        for state, field in self.fields.items():
            value: float | None = getattr(stats, field)
            if value is not None:
                yield {POOL_NAME: stats.name, **({STATE: state} if state else {})}, value


@dataclass(frozen=True)
class Duration:
    """How long something took, each time: a histogram, in seconds."""

    name: str
    description: str
    what: What
    unit: str = "s"

    def sum(self, stats: PoolStats) -> float:
        """Return its sum, in seconds."""
        value: float = getattr(stats, f"{self.what}_time")
        return value

    def counts(self, stats: PoolStats) -> tuple[int, ...]:
        """Return how many took up to each of `BOUNDS`, and longer; nothing if not measured."""
        value: tuple[int, ...] = getattr(stats, f"{self.what}_times")
        return value


def _of(field: str, name: str, unit: str, description: str, *, total: bool = False) -> Figure:
    return Figure(name, unit, description, {None: field}, total)


FIGURES: Final = (
    Figure(
        "db.client.connection.count",
        "{connection}",
        "The number of connections that are currently in state described by the `state` attribute.",
        fields={"idle": "idle", "used": "used"},
    ),
    _of(
        "max_size",
        "db.client.connection.max",
        "{connection}",
        "The maximum number of open connections allowed.",
    ),
    _of(
        "max_size",
        "db.client.connection.idle.max",
        "{connection}",
        "The maximum number of idle open connections allowed.",
    ),
    _of(
        "min_size",
        "db.client.connection.idle.min",
        "{connection}",
        "The minimum number of idle open connections allowed.",
    ),
    _of(
        "waiting",
        "db.client.connection.pending_requests",
        "{request}",
        "The number of current pending requests for an open connection.",
    ),
    _of(
        "timeouts",
        "db.client.connection.timeouts",
        "{timeout}",
        "The number of connection timeouts that have occurred trying to obtain a connection"
        " from the pool.",
        total=True,
    ),
    _of(
        "connecting",
        "multipool.connection.connecting",
        "{connection}",
        "The number of connections that are currently being opened or closed.",
    ),
    _of(
        "share",
        "multipool.budget.share",
        "{connection}",
        "The number of connections that the pool may open by the budget that all processes share.",
    ),
    Figure(
        "multipool.budget.limit",
        "{connection}",
        "The number of connections that all processes of the application may have together.",
        fields={None: "budget"},
        common=True,
    ),
    _of(
        "opened",
        "multipool.connection.opened",
        "{connection}",
        "The number of connections opened.",
        total=True,
    ),
    _of(
        "connect_errors",
        "multipool.connection.errors",
        "{error}",
        "The number of attempts to open a connection that failed.",
        total=True,
    ),
    _of(
        "closed",
        "multipool.connection.closed",
        "{connection}",
        "The number of connections closed.",
        total=True,
    ),
    _of(
        "lost",
        "multipool.connection.lost",
        "{connection}",
        "The number of connections that were never returned, and reclaimed.",
        total=True,
    ),
    _of(
        "held_too_long",
        "multipool.connection.held_too_long",
        "{connection}",
        "The number of leases that lasted longer than `held_after`.",
        total=True,
    ),
    _of(
        "idle_in_transaction_too_long",
        "multipool.connection.idle_in_transaction_too_long",
        "{connection}",
        "The number of times a lease was idle in a transaction for longer than"
        " `idle_in_transaction_after`.",
        total=True,
    ),
    _of(
        "busy_time",
        "multipool.connection.busy_time",
        "s",
        "The time that connections were lent, summed over all of them; its rate is how many were"
        " lent on average.",
        total=True,
    ),
    _of(
        "checkouts",
        "multipool.checkouts",
        "{checkout}",
        "The number of checkouts that got a connection.",
        total=True,
    ),
    _of(
        "waited",
        "multipool.checkouts.waited",
        "{checkout}",
        "The number of checkouts that got a connection after they had waited for it.",
        total=True,
    ),
    _of(
        "rejected",
        "multipool.checkouts.rejected",
        "{checkout}",
        "The number of checkouts refused since too many were waiting.",
        total=True,
    ),
)

DURATIONS: Final = (
    Duration(
        "db.client.connection.create_time",
        "The time it took to create a new connection.",
        "connect",
    ),
    Duration(
        "db.client.connection.wait_time",
        "The time it took to obtain an open connection from the pool.",
        "wait",
    ),
    Duration(
        "db.client.connection.use_time",
        "The time between borrowing a connection and returning it to the pool.",
        "use",
    ),
)
