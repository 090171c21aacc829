"""From what the server told to a `Snapshot`: reckoning, joining, adding up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from multipool.fleet.blocking import trees
from multipool.fleet.folding import frames_of
from multipool.fleet.packing import unpack
from multipool.fleet.rows import (
    backends_of,
    budgets_of,
    holders_of,
    own_idle,
    pools_of,
    process_of,
    queries_of,
    usages_of,
    waiters_of,
)
from multipool.fleet.sessions import Sessions, stake_in
from multipool.fleet.snapshot import (
    Application,
    Backend,
    Budget,
    Host,
    PoolState,
    Process,
    Share,
    Snapshot,
)
from multipool.fleet.values import numbers


def assemble(told: Mapping[str, Any], *, took: float) -> Snapshot:
    """Return the snapshot in *told*, the answer of the server's function ``snapshot()``."""
    rows = list(map(_unpacked, told["processes"]))
    processes = [process_of(row) for row in rows]
    # Where nobody sweeps, the last words of a killed process stay. They say nothing of now, but
    # whose the sessions are that the server still has.
    gone = {process.id for process in processes if process.state == "gone"}
    there = [row for row in rows if row["id"] not in gone]
    pools = [pool for row in there for pool in pools_of(row)]
    sessions = Sessions(told["backends"])
    holders = [
        holder for row in rows for holder in holders_of(row, sessions) if holder.process not in gone
    ]
    for row in rows:
        own_idle(row, sessions)
    backends = backends_of(told["backends"], sessions)
    return Snapshot(
        taken_at=told["now"],
        took=took,
        database=told["database"],
        server_version=told["version"],
        budget=_budget(told, backends, processes),
        applications=_applications(processes, pools, told),
        hosts=_hosts(processes, pools),
        processes=tuple(sorted(processes, key=lambda one: (one.app, one.host, one.pid))),
        pools=tuple(sorted(pools, key=lambda one: (one.app, one.host, one.name, one.process))),
        holders=tuple(sorted(holders, key=lambda one: -one.seconds)),
        waiters=tuple(
            sorted((one for row in there for one in waiters_of(row)), key=lambda one: -one.seconds)
        ),
        queries=queries_of(there),
        backends=backends,
        blocking=trees(backends),
        notes=tuple(_notes(told, processes)),
        budgets=budgets_of(told),
        usage=usages_of(there),
    )


def _unpacked(row: Mapping[str, Any]) -> dict[str, Any]:
    detail = unpack(row["detail"])
    return {**row, "detail": detail, "frames": frames_of(detail)}


def _budget(
    told: Mapping[str, Any], backends: Iterable[Backend], processes: Iterable[Process]
) -> Budget:
    apps = {process.id: process.app for process in processes}
    # Where a budget is shared each session carries a mark, be it told of or not.
    apps.update((stake["mark"], stake["app"]) for stake in told.get("stakes", ()))

    def app_of(one: Backend) -> str:
        marked = apps.get(stake_in(one.application) or "")
        return apps.get(one.process or "") or marked or one.application or f"(user {one.user})"

    shares = Counter(map(app_of, backends))
    return Budget(
        used=sum(shares.values()),
        max_connections=told["max_connections"],
        reserved=told["reserved"],
        by_application=tuple(
            Share(application=name, connections=number) for name, number in shares.most_common()
        ),
    )


def _applications(
    processes: Iterable[Process], pools: Iterable[PoolState], told: Mapping[str, Any]
) -> tuple[Application, ...]:
    members: defaultdict[str, list[Process]] = defaultdict(list)
    theirs: defaultdict[str, list[PoolState]] = defaultdict(list)
    totals: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for process in processes:
        members[process.app].append(process)
    for pool in pools:
        theirs[pool.app].append(pool)
    # All that a process ever counted, of pools too that it has closed since.
    for row in told["processes"]:
        for counters in row["counters"].values():
            totals[row["app"]].update(numbers(counters))
    for retired in told["retired"]:
        totals[retired["app"]].update(numbers(retired["counters"]))
    return tuple(
        Application(
            name=name,
            hosts=len({process.host for process in members[name]}),
            processes=len(members[name]),
            stale=sum(process.state != "alive" for process in members[name]),
            pools=len(theirs[name]),
            size=sum(pool.size for pool in theirs[name]),
            used=sum(pool.used for pool in theirs[name]),
            waiting=sum(pool.waiting for pool in theirs[name]),
            counters=dict(totals[name]),
        )
        for name in sorted(members.keys() | totals.keys())
    )


def _hosts(processes: Iterable[Process], pools: Iterable[PoolState]) -> tuple[Host, ...]:
    members: defaultdict[str, list[Process]] = defaultdict(list)
    theirs: defaultdict[str, list[PoolState]] = defaultdict(list)
    for process in processes:
        members[process.host].append(process)
    for pool in pools:
        theirs[pool.host].append(pool)
    return tuple(
        Host(
            name=name,
            processes=len(members[name]),
            stale=sum(process.state != "alive" for process in members[name]),
            size=sum(pool.size for pool in theirs[name]),
            used=sum(pool.used for pool in theirs[name]),
            waiting=sum(pool.waiting for pool in theirs[name]),
        )
        for name in sorted(members)
    )


def _notes(told: Mapping[str, Any], processes: Iterable[Process]) -> Iterable[str]:
    if not told["sees_all"]:
        yield (
            "This role sees its own sessions only: what others do is hidden until it is a"
            " member of pg_read_all_stats."
        )
    if told["is_full"]:
        yield (
            "The table of processes is over its cap: somebody holds a lock on it, so that it cannot"
            " be emptied, or the cap is too low; nothing new is written until that ends."
        )
    pooled = sum(process.pooler for process in processes)
    if pooled:
        yield (
            f"{pooled} of the processes connect through a pooler such as PgBouncer: their"
            " connections are joined with the server's sessions by application_name, which"
            " names a client only while it has a transaction."
        )
