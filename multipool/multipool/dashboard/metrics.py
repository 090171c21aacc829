"""The snapshot as Prometheus text: OpenTelemetry's names where it has them, ours beside.

Pools are summed by application, host and name: a series for each pid would never end. The
counters are those of the applications, which do not fall when a process ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from multipool.dashboard.suspects import below
from multipool.fleet.snapshot import PoolState, Snapshot

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_POOL: Final = "db_client_connection_pool_name"
_STATE: Final = "db_client_connection_state"

#: A counter of ours, its name for Prometheus, and what it counts.
_COUNTERS: Final = {
    "timeouts": ("db_client_connection_timeouts_total", "Checkouts that gave up waiting."),
    "checkouts": ("multipool_checkouts_total", "Checkouts that got a connection."),
    "waited": ("multipool_checkouts_waited_total", "Checkouts that had to wait."),
    "rejected": ("multipool_checkouts_rejected_total", "Checkouts refused by max_waiting."),
    "opened": ("multipool_connections_opened_total", "Connections opened."),
    "closed": ("multipool_connections_closed_total", "Connections closed."),
    "connect_errors": ("multipool_connect_errors_total", "Attempts to connect that failed."),
    "lost": ("multipool_connections_lost_total", "Connections that a borrower lost."),
    "wait_time": ("multipool_wait_seconds_total", "Time spent waiting for a connection."),
    "connect_time": ("multipool_connect_seconds_total", "Time spent opening connections."),
}

#: What applications share: the metric, what it is, and which of `SharedBudget` it is. A process
#: that exports its own figures tells of ``multipool_budget_limit`` by pool.
_BUDGETS: Final = (
    ("multipool_fleet_budget_limit", "Connections of all processes together, at most.", "budget"),
    ("multipool_fleet_budget_shared", "Of them given to somebody.", "shared"),
    ("multipool_fleet_budget_wanted", "Connections that there is use for.", "wanted"),
    ("multipool_fleet_budget_without_share", "Pools that want some, and may open none.", "without"),
)

_Series = Iterator[tuple[Mapping[str, str], float]]


def text(snapshot: Snapshot, age: float) -> str:
    """Return the exposition; *age* is in seconds."""
    budget = snapshot.budget
    blocked: set[int] = set().union(*map(below, snapshot.blocking))
    lines = [
        *_family("multipool_snapshot_age_seconds", "gauge", "Age of all this.", [({}, age)]),
        *_family("multipool_processes", "gauge", "Processes.", _processes(snapshot)),
        *_family("db_client_connection_count", "gauge", "Connections.", _connections(snapshot)),
        *_family(
            "db_client_connection_max", "gauge", "Connections at most.", _sum(snapshot, "max_size")
        ),
        *_family(
            "db_client_connection_pending_requests",
            "gauge",
            "Who waits for a connection.",
            _sum(snapshot, "waiting"),
        ),
        *_family(
            "multipool_pools_exhausted",
            "gauge",
            "Pools that have lent all they may.",
            _sum(snapshot, "exhausted"),
        ),
        *_family("multipool_oldest_wait_seconds", "gauge", "Longest wait.", _oldest(snapshot)),
    ]
    for name, (metric, about) in _COUNTERS.items():
        values = [({"app": app.name}, app.counters.get(name, 0)) for app in snapshot.applications]
        lines += _family(metric, "counter", about, values)
    for metric, about, value in (
        ("multipool_server_connections", "Connections to the server, all.", budget.used),
        ("multipool_server_max_connections", "Its max_connections.", budget.max_connections),
        ("multipool_server_reserved_connections", "Of them reserved.", budget.reserved),
        ("multipool_server_blocked_sessions", "Sessions waiting for a lock.", len(blocked)),
    ):
        lines += _family(metric, "gauge", about, [({}, value)])
    for metric, about, name in _BUDGETS:
        values = [
            ({"app": one.app}, value)
            for one in snapshot.budgets
            if (value := getattr(one, name)) is not None
        ]
        lines += _family(metric, "gauge", about, values)
    return "\n".join(lines) + "\n"


def _family(
    name: str, kind: str, about: str, values: Iterable[tuple[Mapping[str, str], float]]
) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
    for labels, value in values:
        inside = ",".join(f'{key}="{_escaped(label)}"' for key, label in labels.items())
        yield f"{name}{{{inside}}} {value!r}" if inside else f"{name} {value!r}"


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _grouped(snapshot: Snapshot) -> Iterator[tuple[dict[str, str], list[PoolState]]]:
    groups: defaultdict[tuple[str, str, str], list[PoolState]] = defaultdict(list)
    for pool in snapshot.pools:
        groups[pool.app, pool.host, pool.name].append(pool)
    for (app, host, name), pools in sorted(groups.items()):
        yield {"app": app, "host": host, _POOL: name}, pools


def _sum(snapshot: Snapshot, name: str) -> _Series:
    for labels, pools in _grouped(snapshot):
        values = [getattr(pool, name) for pool in pools]
        # None: without a limit, and so no figure.
        if None not in values:
            yield labels, sum(values)


def _connections(snapshot: Snapshot) -> _Series:
    for labels, pools in _grouped(snapshot):
        for state in ("idle", "used"):
            yield {**labels, _STATE: state}, sum(getattr(pool, state) for pool in pools)


def _oldest(snapshot: Snapshot) -> _Series:
    for labels, pools in _grouped(snapshot):
        yield labels, max(pool.oldest_wait for pool in pools)


def _processes(snapshot: Snapshot) -> _Series:
    groups: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for one in snapshot.processes:
        groups[one.app, one.host, one.state] += 1
    for (app, host, state), number in sorted(groups.items()):
        yield {"app": app, "host": host, "state": state}, number
