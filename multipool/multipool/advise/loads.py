"""What there is to go by: each pool of each process, as it told of itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from multipool.watch.demand import Peak

if TYPE_CHECKING:
    from multipool.fleet.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Load:
    """One pool of one process."""

    app: str
    pool: str
    #: The process, as a person finds it.
    process: str
    #: None: unlimited.
    max_size: int | None
    #: Totals since the pool was made: what `PoolStats` has under the same names.
    counters: Mapping[str, float]
    #: Seconds for which upkeep has looked at it, and the busiest five minutes of those.
    observed: float
    peak: Peak | None

    def counted(self, name: str) -> float:
        """Return the total *name*."""
        return self.counters.get(name, 0.0)


@dataclass(frozen=True, slots=True)
class Server:
    """The server that all of them connect to, as far as it is known."""

    max_connections: int
    reserved: int
    #: Connections by application, ours and others'.
    used: Mapping[str, int]
    #: How many its own pools say that it has: the server need not know whose each is.
    told: Mapping[str, int] = field(default_factory=dict)

    def room_for(self, app: str) -> int:
        """Return how many connections *app* could have if the others keep theirs."""
        others = sum(self.used.values()) - max(self.used.get(app, 0), self.told.get(app, 0))
        return max(self.max_connections - self.reserved - max(others, 0), 0)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was told."""

    loads: Sequence[Load]
    #: By application, which part of the time that connections are held goes to statements.
    asking: Mapping[str, float]
    server: Server | None = None
    #: How many processes were asked and did not answer.
    silent: int = 0
    #: Of the fleet's, by application: how many have been silent for so long that they are left out,
    #: and how many for a while, of which the last is taken that they told.
    gone: Mapping[str, int] = field(default_factory=dict)
    stale: Mapping[str, int] = field(default_factory=dict)

    def only(self, app: str) -> Facts:
        """Return what concerns this application."""

        def of_app(counted: Mapping[str, int]) -> Mapping[str, int]:
            return {name: number for name, number in counted.items() if name == app}

        loads = [load for load in self.loads if load.app == app]
        return replace(self, loads=loads, gone=of_app(self.gone), stale=of_app(self.stale))


def of_fleet(snapshot: Snapshot) -> Facts:
    """Return what the fleet has told. The pools of processes that are gone are left out."""
    processes = {one.id: one for one in snapshot.processes if one.state != "gone"}
    pools = [pool for pool in snapshot.pools if pool.process in processes]
    loads = [
        Load(
            pool.app,
            pool.name,
            f"{pool.host} {processes[pool.process].pid}",
            pool.max_size,
            pool.counters,
            pool.observed,
            pool.peak,
        )
        for pool in pools
    ]
    # Only those that count their statements count here.
    statements: defaultdict[str, float] = defaultdict(float)
    held: defaultdict[str, float] = defaultdict(float)
    for pool in pools:
        if pool.statements:
            statements[pool.app] += pool.statements
            held[pool.app] += pool.counters.get("busy_time", 0.0)
    budget = snapshot.budget
    used = {share.application: share.connections for share in budget.by_application}
    told = Counter[str]()
    for pool in pools:
        told[pool.app] += pool.size
    server = Server(budget.max_connections, budget.reserved, used, told)
    states = Counter((one.app, one.state) for one in snapshot.processes)
    return Facts(
        loads,
        _parts(statements, held),
        server,
        gone={app: number for (app, state), number in states.items() if state == "gone"},
        stale={app: number for (app, state), number in states.items() if state == "stale"},
    )


def of_processes(processes: Iterable[Mapping[str, Any]], silent: int = 0) -> Facts:
    """Return what this user's processes have told (`multipool.watch.process.describe`).

    *silent* others did not answer.
    """
    loads = []
    statements: defaultdict[str, float] = defaultdict(float)
    held: defaultdict[str, float] = defaultdict(float)
    for process in processes:
        for pool in process["pools"]:
            stats, peak = pool["stats"], pool["peak"]
            loads.append(
                Load(
                    process["program"],
                    stats["name"],
                    f"pid {process['pid']}",
                    stats["max_size"],
                    {name: one for name, one in stats.items() if isinstance(one, (int, float))},
                    pool["observed"],
                    None if peak is None else Peak.from_dict(peak),
                )
            )
            statements[process["program"]] += pool["queries"]["seconds"]
            if pool["queries"]["seconds"] > 0:  # else it does not count them
                held[process["program"]] += stats["busy_time"]
    return Facts(loads, _parts(statements, held), silent=silent)


def _parts(statements: Mapping[str, float], held: Mapping[str, float]) -> dict[str, float]:
    return {
        app: min(seconds / held[app], 1.0)
        for app, seconds in statements.items()
        if seconds > 0 and held.get(app)
    }


def grouped(loads: Iterable[Load]) -> dict[tuple[str, str], Sequence[Load]]:
    """Return the pools of the same application and name, whose options are the same."""
    groups: defaultdict[tuple[str, str], list[Load]] = defaultdict(list)
    for load in loads:
        groups[load.app, load.pool].append(load)
    return dict(sorted(groups.items()))
