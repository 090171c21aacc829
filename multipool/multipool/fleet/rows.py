"""One row of a process, read as dataclasses: of what anybody may have written, what makes sense."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from operator import add
from typing import Any

from multipool.fleet.folding import unfold
from multipool.fleet.sessions import Sessions
from multipool.fleet.snapshot import (
    GONE_AFTER,
    STALE_AFTER,
    Backend,
    Holder,
    PoolState,
    Process,
    Query,
    SharedBudget,
    Stack,
    Stake,
    State,
    Usage,
    Waiter,
)
from multipool.fleet.values import integer, number, numbers, text
from multipool.watch.demand import Peak
from multipool.watch.queries.histogram import BUCKETS, Histogram
from multipool.watch.usage import HOLDS, KINDS


def process_of(row: Mapping[str, Any]) -> Process:
    """Return the process of a row."""
    return Process(
        id=row["id"],
        pid=row["pid"],
        app=row["app"],
        host=row["host"],
        state=_state(row["age"], row["every"]),
        uptime=row["uptime"],
        age=row["age"],
        every=row["every"],
        pooler=row["pooler"],
        detailed=bool(row["detail"]),
    )


def _state(age: float, every: float) -> State:
    if age > GONE_AFTER * every:
        return "gone"
    return "stale" if age > STALE_AFTER * every else "alive"


def pools_of(row: Mapping[str, Any]) -> Iterator[PoolState]:
    """Yield the pools of a row as they were at its beat; who waited then waits still."""
    for name, gauges in _dicts(row["pools"]):
        limit = gauges.get("max_size")
        waiting = integer(gauges.get("waiting"))
        yield PoolState(
            process=row["id"],
            app=row["app"],
            host=row["host"],
            name=name,
            driver=text(gauges.get("driver")),
            min_size=integer(gauges.get("min_size")),
            max_size=None if limit is None else integer(limit),
            size=integer(gauges.get("size")),
            idle=integer(gauges.get("idle")),
            used=integer(gauges.get("used")),
            connecting=integer(gauges.get("connecting")),
            waiting=waiting,
            oldest_wait=number(gauges.get("oldest_wait")) + (row["age"] if waiting else 0.0),
            counters=numbers(row["counters"].get(name)),
            observed=number(gauges.get("observed")),
            peak=_peak(gauges.get("peak")),
            share=None if gauges.get("share") is None else integer(gauges["share"]),
            budget=None if gauges.get("budget") is None else integer(gauges["budget"]),
            statements=_statements(gauges),
        )


def _statements(gauges: Mapping[str, Any]) -> float | None:
    told = gauges.get("statements")
    return None if told is None else max(number(told), 0.0)


def _peak(told: Any) -> Peak | None:
    return Peak.from_dict(told) if isinstance(told, dict) else None


def holders_of(row: Mapping[str, Any], sessions: Sessions) -> Iterator[Holder]:
    """Yield who held connections at the time of the row's beat, as of now."""
    for pool, told in _details(row, "holders"):
        idle = told.get("idle_in_transaction")
        yield Holder(
            process=row["id"],
            app=row["app"],
            host=row["host"],
            pool=pool,
            thread=text(told.get("thread")),
            seconds=number(told.get("seconds")) + row["age"],
            idle_in_transaction=None if idle is None else number(idle) + row["age"],
            opened_at=_stack(row, told, "opened_at"),
            checked_out_at=_stack(row, told, "checked_out_at"),
            query_at=_stack(row, told, "query_at"),
            doing=_stack(row, told, "doing"),
            statement=text(told["statement"]) if told.get("statement") is not None else None,
            backend=sessions.serving(row, pool, told),
        )


def own_idle(row: Mapping[str, Any], sessions: Sessions) -> None:
    """Let *sessions* know which serve the row's idle connections."""
    for pool, told in _details(row, "idle"):
        sessions.serving(row, pool, told)


def waiters_of(row: Mapping[str, Any]) -> Iterator[Waiter]:
    """Yield who waited at the time of the row's beat."""
    for pool, told in _details(row, "waiters"):
        yield Waiter(
            process=row["id"],
            app=row["app"],
            host=row["host"],
            pool=pool,
            thread=text(told["thread"]) if told.get("thread") is not None else None,
            seconds=number(told.get("seconds")) + row["age"],
            stack=_stack(row, told, "stack"),
        )


def backends_of(rows: Iterable[Mapping[str, Any]], sessions: Sessions) -> tuple[Backend, ...]:
    """Return the server's sessions, once it is known whose they are."""
    found = []
    for row in rows:
        process, pool = sessions.owners.get(row["pid"], (None, None))
        found.append(
            Backend(
                pid=row["pid"],
                started=text(row["started"]),
                application=text(row["application"]),
                user=text(row["user"]),
                database=text(row["database"]),
                client=row["client"],
                state=row["state"],
                state_age=row["state_age"],
                transaction_age=row["transaction_age"],
                query_age=row["query_age"],
                wait_event=row["wait_event"],
                blocked_by=tuple(row["blocked_by"] or ()),
                raw_sql=row["raw_sql"],
                process=process,
                pool=pool,
            )
        )
    return tuple(sorted(found, key=lambda one: one.pid))


def budgets_of(told: Mapping[str, Any]) -> tuple[SharedBudget, ...]:
    """Return the budgets that applications share, and who has what of them.

    What an older version has installed tells of none.
    """
    processes: defaultdict[tuple[str, str, int], list[str]] = defaultdict(list)
    for row in told["processes"]:
        processes[row["app"], row["host"], row["pid"]].append(row["id"])
    stakes: defaultdict[str, list[Stake]] = defaultdict(list)
    for row in told.get("stakes", ()):
        # Containers may share a name, and give the same numbers to their processes.
        known = processes[row["app"], row["host"], row["pid"]]
        stakes[row["app"]].append(
            Stake(
                process=known[0] if len(known) == 1 else None,
                **{name: row[name] for name in Stake.__slots__ if name != "process"},
            )
        )
    budgets = {row["app"]: row for row in told.get("budgets", ())}
    nobody: Mapping[str, Any] = {"budget": None, "kept": 0}
    return tuple(
        SharedBudget(
            app=app,
            budget=budgets.get(app, nobody)["budget"],
            kept=budgets.get(app, nobody)["kept"],
            stakes=tuple(sorted(stakes[app], key=lambda one: (-one.share, one.host, one.pid))),
        )
        for app in sorted(stakes)
    )


def queries_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Query, ...]:
    """Return the statements of all processes, those of an application added up."""
    summed: defaultdict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    totals: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        of_pools: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for pool, told in _details(row, "queries"):
            of_pools[pool].append(told)
            summed[row["app"], text(told.get("statement")), text(told.get("site"))].append(told)
        whole = dict(_dicts(row["pools"]))
        for pool, parts in of_pools.items():
            # Told apart are the most expensive ones alone.
            of_all = _statements(whole.get(pool, {})) or 0.0
            totals[row["app"]] += max(_sum(parts, "total"), of_all)
    found = []
    for (app, statement, site), parts in summed.items():
        total, calls, spread = _sum(parts, "total"), int(_sum(parts, "calls")), _added(parts)
        found.append(
            Query(
                app=app,
                statement=statement,
                site=site,
                calls=calls,
                rows=int(_sum(parts, "rows")),
                errors=int(_sum(parts, "errors")),
                total=total,
                share=total / totals[app] if totals[app] else 0.0,
                mean=total / calls if calls else 0.0,
                p50=spread.quantile(0.5) or 0.0,
                p95=spread.quantile(0.95) or 0.0,
                p99=spread.quantile(0.99) or 0.0,
            )
        )
    return tuple(sorted(found, key=lambda one: -one.total))


def usages_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Usage, ...]:
    """Return for what all processes hold connections, that of an application added up."""
    summed: dict[tuple[Any, ...], Usage] = {}
    for row in rows:
        for _, told in _details(row, "usage"):
            kind: Any = told.get("kind")
            hold: Any = told.get("hold")
            if kind not in KINDS or hold not in HOLDS:
                continue  # of a later version, or none of ours
            usage = Usage(
                app=row["app"],
                kind=kind,
                name=text(told.get("name")),
                route=text(told.get("route")),
                hold=hold,
                times=max(integer(told.get("times")), 0),
                lasted=max(number(told.get("lasted")), 0.0),
                held=max(number(told.get("held")), 0.0),
                used=max(number(told.get("used")), 0.0),
            )
            key = usage.app, kind, usage.name, usage.route, hold
            summed[key] = summed[key] + usage if key in summed else usage
    return tuple(sorted(summed.values(), key=lambda one: one.used - one.held))


def _details(row: Mapping[str, Any], what: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    sent = row["detail"]
    for pool, detail in _dicts(sent.get("pools") if isinstance(sent, dict) else None):
        entries = detail.get(what)
        for told in entries if isinstance(entries, list) else ():
            if isinstance(told, dict):
                yield pool, told


def _dicts(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, one in (value if isinstance(value, dict) else {}).items():
        if isinstance(one, dict):
            yield name, one


def _sum(parts: Iterable[Mapping[str, Any]], name: str) -> float:
    try:  # there are many, and nearly all of them make sense
        return number(sum([part[name] for part in parts]))
    except (KeyError, TypeError, OverflowError):
        return sum(number(part.get(name)) for part in parts)


def _added(parts: Iterable[Mapping[str, Any]]) -> Histogram:
    """Return how the durations of all *parts* together are spread."""
    counts: list[Any] = [0] * BUCKETS
    for part in parts:
        told = part.get("histogram")
        if isinstance(told, list) and told and type(told[0]) is int and 0 <= told[0] < BUCKETS:
            place = slice(told[0], told[0] + len(told) - 1)
            with suppress(TypeError, OverflowError):
                counts[place] = map(add, counts[place], told[1:])
    return Histogram.of([max(integer(count), 0) for count in counts])


def _stack(row: Mapping[str, Any], told: Mapping[str, Any], name: str) -> Stack:
    return unfold(told.get(name), row["frames"])
