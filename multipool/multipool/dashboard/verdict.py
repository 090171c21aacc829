"""One sentence for each application in trouble: what is wrong, and who did it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from multipool.dashboard.frames import spoken
from multipool.dashboard.suspects import LONG_IDLE, Suspect, below
from multipool.dashboard.words import count, duration, of
from multipool.fleet.snapshot import Application, Budget, PoolState, SharedBudget, Snapshot

Level = Literal["none", "ok", "watch", "bad"]

#: What a level is called, so that it is not told by colour alone.
NAMES: Final[dict[Level, str]] = {
    "none": "No data",
    "ok": "Healthy",
    "watch": "Warning",
    "bad": "Critical",
}

#: Of the connections that applications may have, the part that should stay free.
_SCARCE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence, in two halves: what is seen, and what it comes from."""

    level: Level
    #: The application, or ``server``.
    subject: str
    seen: str
    cause: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.seen}" + (f"; {self.cause}" if self.cause else "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The worst first."""

    level: Level
    findings: tuple[Finding, ...]

    @property
    def name(self) -> str:
        """What the level is called."""
        return NAMES[self.level]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, with the sentences written out."""
        return {**asdict(self), "sentences": [str(finding) for finding in self.findings]}


def verdict(snapshot: Snapshot, accused: Sequence[Suspect]) -> Verdict:
    """Return what a person who was just woken should know; *accused* are its `suspects`."""
    if not snapshot.processes:
        seen = "no process has reported yet"
        return Verdict("none", (Finding("none", snapshot.database or "fleet", seen),))
    found = [*_server(snapshot.budget), *_locks(snapshot)]
    found += _shared(snapshot.budgets)
    for app in snapshot.applications:
        found += _application(app, snapshot, [one for one in accused if one.app == app.name])
    if not found:
        return Verdict("ok", (_all_well(snapshot),))
    found.sort(key=lambda finding: finding.level != "bad")
    return Verdict(found[0].level, tuple(found))


def _application(app: Application, snapshot: Snapshot, accused: list[Suspect]) -> Iterator[Finding]:
    pools = [pool for pool in snapshot.pools if pool.app == app.name]
    full = [pool for pool in pools if pool.exhausted]
    waiting = sum(pool.waiting for pool in pools)
    idle = [seconds for suspect in accused for seconds in suspect.idle]
    seen = []
    if full:
        seen.append(f"{of(len(full), len(pools))} {_pools(len(pools))} exhausted")
    if waiting:
        seen.append(f"{waiting:,} waiting, oldest {duration(_oldest(pools))}")
    only_idle = bool(idle) and not seen
    if only_idle:
        seen.append(f"{count(len(idle), 'connection')} idle in transaction for {duration(idle[0])}")
    if seen:
        cause = _cause(accused[0], only_idle) if accused else ""
        yield Finding("bad" if waiting else "watch", app.name, ", ".join(seen), cause)
    if app.stale:
        silent = [
            process.age
            for process in snapshot.processes
            if process.app == app.name and process.state == "stale"
        ]
        since = f", the longest for {duration(max(silent))}" if silent else ""
        seen_silent = f"{of(app.stale, app.processes)} processes silent{since}"
        yield Finding("watch", app.name, seen_silent, "ended without a word, stopped, or cut off")


def _cause(suspect: Suspect, said_idle: bool) -> str:
    """Say who holds, as "27 of 30 held by checkout() views.py:88, idle in transaction 4 min"."""
    by = spoken(suspect.site) if suspect.site else "code that is not known"
    said = f"{of(len(suspect.holders), max(suspect.lent, len(suspect.holders)))} held by {by}"
    if said_idle:
        return said
    if suspect.idle:
        return f"{said}, idle in transaction {duration(suspect.idle[0])}"
    return f"{said}, the longest for {duration(suspect.longest)}"


def _server(budget: Budget) -> Iterator[Finding]:
    most = budget.max_connections - budget.reserved
    if most <= 0 or budget.free > most * _SCARCE:
        return
    seen = f"{of(budget.used, budget.max_connections)} connections used, {budget.free:,} free"
    largest = budget.by_application[:1]
    cause = f"{largest[0].connections:,} of them {largest[0].application}'s" if largest else ""
    yield Finding("bad" if budget.free == 0 else "watch", "server", seen, cause)


def _shared(budgets: Sequence[SharedBudget]) -> Iterator[Finding]:
    for one in budgets:
        lacking = [stake for stake in one.stakes if stake.want and not stake.cap]
        if lacking and not one.free:
            seen = f"{of(len(lacking), len(one.stakes))} pools wait for a share of the budget"
            cause = (
                f"{of(one.shared, one.budget)} connections are given away, {one.wanted:,} wanted"
            )
            yield Finding("watch", one.app, seen, cause)


def _locks(snapshot: Snapshot) -> Iterator[Finding]:
    waiting: set[int] = set().union(*map(below, snapshot.blocking))
    if not waiting:
        return
    root = snapshot.blocking[0]
    longest = max(child.seconds for tree in snapshot.blocking for child in tree.blocks)
    seen = f"{count(len(waiting), 'session waits', 'sessions wait')} for locks, oldest"
    by = next((one.application for one in snapshot.backends if one.pid == root.pid), "")
    whose = f" of {by}" if by else ""
    held = next((one for one in snapshot.holders if one.backend == root.pid), None)
    where = (
        next((stack[0] for stack in (held.query_at, held.checked_out_at) if stack), "")
        if held
        else ""
    )
    at = f", {spoken(where)}" if where else ""
    yield Finding(
        "bad" if longest >= LONG_IDLE else "watch",
        "server",
        f"{seen} {duration(longest)}",
        f"{len(below(root)):,} of them behind pid {root.pid}{whose}{at}",
    )


def _all_well(snapshot: Snapshot) -> Finding:
    used = sum(pool.used for pool in snapshot.pools)
    most = [pool.max_size for pool in snapshot.pools]
    total = None if None in most else sum(size for size in most if size is not None)
    # Of others there are only totals left.
    names = [app.name for app in snapshot.applications if app.processes]
    processes = count(len(snapshot.processes), "process", "processes")
    return Finding(
        "ok",
        names[0] if len(names) == 1 else count(len(names), "application"),
        f"{count(len(snapshot.pools), 'pool')} of {processes}, {of(used, total)} connections lent,"
        " nobody waits",
    )


def _oldest(pools: list[PoolState]) -> float:
    return max(pool.oldest_wait for pool in pools)


def _pools(number: int) -> str:
    return "pool" if number == 1 else "pools"
