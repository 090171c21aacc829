"""What ``multipool top --fleet`` shows, from a snapshot of the fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from multipool.conninfo import parse
from multipool.dashboard.suspects import below, site, suspects
from multipool.dashboard.verdict import verdict
from multipool.dashboard.words import duration, milliseconds, of, percent
from multipool.driver import Driver
from multipool.fleet import read
from multipool.fleet.snapshot import Holder, PoolState, Process, Query, Snapshot
from multipool.pool import Pool
from multipool.top.overview import bound, first, of_budget
from multipool.top.sections import Overview, Section
from multipool.watch.queries.report import By

NOBODY: Final = "No process reports to the fleet in this database."

#: Seconds that connecting, or the fleet's answer, may take.
PATIENCE: Final = 10.0

_APPLICATIONS: Final = (
    *("application", "processes", "silent", "hosts", "used", "open", "waiting", "timeouts"),
    "counted since ever",
)
_POOLS: Final = (
    *("process", "pool", "driver", "used", "idle", "waiting", "oldest", "max", "budget"),
    "timeouts",
    "application",
)
_HOLDERS: Final = ("process", "pool", "thread", "held", "idle in transaction", "checked out", "now")
_BUDGETS: Final = (
    *("application", "budget", "given", "free", "wanted", "pools", "without a share"),
    "largest share",
)
_BLOCKED: Final = ("session", "whose", "sessions waiting", "for", "where")
_QUERIES: Final = (
    *("share", "total", "calls", "mean", "p50", "p95", "p99", "rows", "errors"),
    "application, call site: statement",
)
_ORDERS: Final[dict[By, Callable[[Query], float]]] = {
    "total": lambda query: query.total,
    "calls": lambda query: query.calls,
    "mean": lambda query: query.mean,
    "p95": lambda query: query.p95,
}


def pool_for(dsn: str, driver: Driver, program: str) -> Pool:
    """Return a pool by which *program* reads the fleet, one connection at a time."""
    params = {"application_name": program, **parse(dsn)}
    return Pool(params, driver=driver, max_size=1, timeout=PATIENCE, name="fleet")


class FleetLook:
    """Looks at the fleet again and again; where that fails, tells so and shows what was last."""

    def __init__(self, pool: Pool, watch: float, by: By, limit: int) -> None:
        self._pool = pool
        self._watch = watch
        self._by: By = by
        self._limit = limit
        self._last: Overview | None = None

    def __call__(self) -> Overview:
        """Return what is to be shown now. Raises only where nothing was seen yet."""
        try:
            snapshot = read(self._pool, watch=self._watch)
        except Exception as error:
            if self._last is None:
                raise
            why = f"The server could not be read again, this is the last known: {error}"
            return Overview([" ".join(why.split()), *self._last.lines], self._last.sections)
        self._last = overview(snapshot, self._by, self._limit)
        return self._last


def as_dict(snapshot: Snapshot, by: By, limit: int) -> dict[str, Any]:
    """Return all of it as plain values, but of the queries the first *limit*."""
    queries = tuple(_sorted(snapshot.queries, by)[:limit])
    return replace(snapshot, queries=queries).as_dict()


def _sorted(queries: Iterable[Query], by: By) -> list[Query]:
    return sorted(queries, key=_ORDERS[by], reverse=True)


def overview(snapshot: Snapshot, by: By, limit: int) -> Overview:
    """Return the verdict and the tables, each with the first *limit* rows at most."""
    lines = list(_lines(snapshot))
    if not snapshot.processes:
        return Overview([*lines, NOBODY], [])
    processes = {process.id: process for process in snapshot.processes}
    queries = _sorted(snapshot.queries, by)
    pools = sorted(snapshot.pools, key=_trouble)
    sections = [
        Section("applications", _APPLICATIONS, list(_applications(snapshot))),
        Section(
            "pools, the fullest first",
            _POOLS,
            [_pool_row(pool, processes) for pool in pools[:limit]],
            len(pools),
        ),
        Section(
            "held connections",
            _HOLDERS,
            [_holder_row(holder, processes) for holder in snapshot.holders[:limit]],
            len(snapshot.holders),
        ),
    ]
    if snapshot.budgets:
        sections.insert(1, Section("shared budgets", _BUDGETS, list(_budgets(snapshot))))
    if snapshot.blocking:
        blocked = list(_blocking(snapshot))
        sections.append(
            Section("who keeps whom waiting", _BLOCKED, blocked[:limit], len(blocked)),
        )
    rows = [_query_row(query) for query in queries[:limit]]
    sections.append(Section(f"queries by {by}", _QUERIES, rows, len(queries)))
    return Overview(lines, sections)


def _lines(snapshot: Snapshot) -> Iterator[str]:
    budget = snapshot.budget
    yield (
        f"{snapshot.database} at {snapshot.taken_at}, PostgreSQL {snapshot.server_version}:"
        f" {of(budget.used, budget.max_connections)} connections used, {budget.reserved} reserved"
    )
    for note in snapshot.notes:
        yield f"note: {note}"
    if snapshot.processes:
        found = verdict(snapshot, suspects(snapshot))
        for finding in found.findings:
            yield f"{found.name}: {finding}"


def _applications(snapshot: Snapshot) -> Iterator[tuple[str, ...]]:
    for app in snapshot.applications:
        counted = {
            name: int(app.counters.get(name, 0)) for name in ("checkouts", "timeouts", "waited")
        }
        yield (
            app.name,
            *map(str, (app.processes, app.stale, app.hosts, app.used, app.size, app.waiting)),
            str(counted["timeouts"]),
            f"{counted['checkouts']:,} checkouts, {counted['waited']:,} waited",
        )


def _budgets(snapshot: Snapshot) -> Iterator[tuple[str, ...]]:
    for one in snapshot.budgets:
        most = one.stakes[0]
        numbers = (one.shared, one.free, one.wanted, len(one.stakes), one.without)
        yield (
            one.app,
            "?" if one.budget is None else str(one.budget),
            *map(str, numbers),
            f"{most.share} of {most.host} {most.pid}, pool {most.pool}",
        )


def _trouble(pool: PoolState) -> tuple[int, bool, float, str, str]:
    """Return what sorts the worst to the front: who waits, what is full, how full the rest is."""
    full = pool.used / pool.max_size if pool.max_size else 0.0
    return -pool.waiting, not pool.exhausted, -full, pool.host, pool.process


def _name(processes: dict[str, Process], process: str, host: str) -> str:
    known = processes.get(process)
    if known is None:
        return host
    silent = "" if known.state == "alive" else f" ({known.state})"
    return f"{host} {known.pid}{silent}"


def _pool_row(pool: PoolState, processes: dict[str, Process]) -> tuple[str, ...]:
    return (
        *(_name(processes, pool.process, pool.host), pool.name, pool.driver),
        *map(str, (pool.used, pool.idle, pool.waiting)),
        duration(pool.oldest_wait) if pool.waiting else "-",
        bound(pool.max_size),
        of_budget(pool.share, pool.budget),
        str(int(pool.counters.get("timeouts", 0))),
        pool.app,
    )


def _holder_row(holder: Holder, processes: dict[str, Process]) -> tuple[str, ...]:
    idle = holder.idle_in_transaction
    return (
        *(_name(processes, holder.process, holder.host), holder.pool, holder.thread),
        duration(holder.seconds),
        "-" if idle is None else duration(idle),
        *(first(stack) for stack in (holder.checked_out_at, holder.doing)),
    )


def _blocking(snapshot: Snapshot) -> Iterator[tuple[str, ...]]:
    sessions = {backend.pid: backend for backend in snapshot.backends}
    holders = {holder.backend: holder for holder in snapshot.holders}
    for root in snapshot.blocking:
        session, holder = sessions.get(root.pid), holders.get(root.pid)
        yield (
            f"pid {root.pid}",
            session.application or session.user if session else "-",
            str(len(below(root))),
            duration(max(child.seconds for child in root.blocks)) if root.blocks else "-",
            first([site(holder)]) if holder is not None and site(holder) else "-",
        )


def _query_row(query: Query) -> tuple[str, ...]:
    return (
        percent(query.share),
        duration(query.total),
        str(query.calls),
        *map(milliseconds, (query.mean, query.p50, query.p95, query.p99)),
        str(query.rows),
        str(query.errors),
        f"{query.app}, {query.site or '-'}: {query.statement}",
    )
