"""What follows from the loads: for each pool a ``max_size``, for each application a ``budget``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from multipool.advise.loads import Facts, Load, grouped
from multipool.advise.queueing import enough, late, within
from multipool.budget.options import SMALLEST
from multipool.watch.demand import Peak

#: How much is known: too little to say anything; minutes, hours, or a whole day, in which the
#: busiest hour was.
Certainty = Literal["none", "low", "fair", "good"]

#: The checkouts that the busiest five minutes must have had together, and the seconds for which
#: a process must have been looked at, before anything is concluded.
LEAST_CHECKOUTS: Final = 100
LEAST_SECONDS: Final = 60.0
_FAIR: Final = 3600.0
_GOOD: Final = 86400.0

#: The part of the five minutes in which somebody may wait without the pool being taken for full.
_SHORT: Final = 0.01
#: How much longer than ever connections are held where something else is wrong, and from how
#: many seconds on.
_SLOWER: Final = 3.0
_LONG: Final = 0.1


@dataclass(frozen=True, slots=True)
class Aim:
    """What is good enough."""

    #: Seconds; no more than one checkout in a hundred is to wait longer.
    patience: float = 0.1
    #: The server's processors; None if nobody said.
    cores: int | None = None

    @property
    def at_work(self) -> int | None:
        """How many connections the server can usefully work for at once.

        Twice the processors and one for the disk: more only take turns. The rule of PostgreSQL's
        own benchmarks that HikariCP's wiki, "About Pool Sizing", has made known.
        """
        return None if self.cores is None else 2 * self.cores + 1


@dataclass(frozen=True, slots=True)
class Need:
    """What one pool of one process would have needed in its busiest five minutes."""

    load: Load
    peak: Peak
    #: Checkouts asked for in a second, seconds that each was held, and the connections that are
    #: in use on average then: the one times the other.
    rate: float
    held: float
    offered: float
    #: How much the number wanted varied, by how much it would by chance.
    burst: float
    #: Whether somebody had to wait, so that more may have been wanted than was seen.
    full: bool
    #: How many times as long as on average over all connections were held.
    slower: float
    #: How many are enough; and whether that is so since never more were wanted.
    connections: int
    never_more: bool

    def late(self, patience: float) -> float:
        """Return the share that would have waited longer than *patience*."""
        if self.never_more or not self.offered:
            return 0.0
        servers = max(round(self.connections / self.burst), 1)
        return late(servers, self.offered / self.burst, self.held, patience)


@dataclass(frozen=True, slots=True)
class PoolAdvice:
    """What is advised for the pools of one name of an application."""

    app: str
    pool: str
    #: How many processes have it, and what they allow it now; None: no bound.
    processes: int
    now: tuple[int | None, ...]
    #: None if too little is known.
    max_size: int | None
    certainty: Certainty
    needs: tuple[Need, ...]
    #: What there is of all of them together.
    loads: tuple[Load, ...]

    @property
    def heaviest(self) -> Need | None:
        """The one that decides."""
        return max(self.needs, key=lambda one: (one.connections, one.offered), default=None)


@dataclass(frozen=True, slots=True)
class BudgetAdvice:
    """What is advised for all processes of an application together."""

    app: str
    processes: int
    #: What all pools together may open now; None: there is no bound.
    possible: int | None
    #: None if too little is known.
    budget: int | None
    #: What every process needs, added up; and what would do if a connection were always
    #: where it is wanted.
    wanted: int
    least: int
    #: How many were in use on average, if all had their busiest five minutes at once.
    offered: float
    #: What the server has room for, beside others' connections; with how many lent it has as much
    #: to do as it can; and the part of the time held that statements take. None: not known.
    room: int | None
    useful: int | None
    asking: float | None


@dataclass(frozen=True, slots=True)
class Advice:
    """All of it."""

    aim: Aim
    pools: tuple[PoolAdvice, ...]
    budgets: tuple[BudgetAdvice, ...]
    #: How many processes it leaves out, since they did not answer; and `Facts.gone`, `Facts.stale`.
    silent: int = 0
    gone: Mapping[str, int] = field(default_factory=dict)
    stale: Mapping[str, int] = field(default_factory=dict)


def judge(facts: Facts, aim: Aim) -> Advice:
    """Return what follows from *facts*."""
    pools = tuple(
        _pool(app, pool, loads, aim) for (app, pool), loads in grouped(facts.loads).items()
    )
    # One process alone shares with nobody.
    apps = sorted(
        {
            one.app
            for one in pools
            if facts.server is not None or len(_processes(facts, one.app)) > 1
        }
    )
    budgets = tuple(
        _budget(app, [one for one in pools if one.app == app], facts, aim) for app in apps
    )
    return Advice(aim, pools, budgets, facts.silent, facts.gone, facts.stale)


def _processes(facts: Facts, app: str) -> set[str]:
    return {load.process for load in facts.loads if load.app == app}


def _pool(app: str, pool: str, loads: Sequence[Load], aim: Aim) -> PoolAdvice:
    needs = tuple(need for load in loads if (need := need_of(load, aim)) is not None)
    checkouts = sum(need.peak.checkouts + need.peak.refused for need in needs)
    certainty: Certainty = "none"
    if checkouts >= LEAST_CHECKOUTS:
        longest = max(load.observed for load in loads)
        certainty = "good" if longest >= _GOOD else "fair" if longest >= _FAIR else "low"
    return PoolAdvice(
        app,
        pool,
        len(loads),
        tuple(
            sorted({load.max_size for load in loads}, key=lambda size: (size is None, size or 0))
        ),
        None if certainty == "none" else max(need.connections for need in needs),
        certainty,
        needs,
        tuple(loads),
    )


def need_of(load: Load, aim: Aim) -> Need | None:
    """Return what one pool of one process needs; None if too little is known."""
    peak = load.peak
    if peak is None or peak.seconds < LEAST_SECONDS:
        return None
    asked = peak.checkouts + peak.refused
    checkouts = max(peak.checkouts, 1)
    held = peak.busy / checkouts
    usual = load.counted("busy_time") / max(load.counted("checkouts"), 1)
    full = peak.refused > 0 or peak.short > _SHORT * peak.seconds
    need = Need(
        load=load,
        peak=peak,
        rate=asked / peak.seconds,
        held=held,
        # Those who got none would have held one as long as the others. Some may have been held all
        # the time, with no checkout in it.
        offered=peak.busy / peak.seconds * max(asked, 1) / checkouts,
        # Where there are too few, it is the line that varies, not what is wanted.
        burst=1.0 if full or not peak.wanted else within(peak.variance / peak.wanted),
        full=full,
        slower=held / usual if usual else 1.0,
        connections=0,
        never_more=False,
    )
    connections = max(enough(need.offered, held, patience=aim.patience, burst=need.burst), 1)
    if full and is_slower(need):
        # A line because each took so long tells nothing of a usual day.
        usually = enough(need.rate * usual, usual, patience=aim.patience)
        connections = max(usually, load.max_size or 1)
    elif _disappoints(peak, aim) and load.max_size and connections <= load.max_size:
        # They came all at once, which the line tells and the formula does not know.
        connections = max(peak.p99, load.max_size + 1)
    if 0 < peak.most <= connections and not (full and is_slower(need)):
        return replace(need, connections=peak.most, never_more=True)
    return replace(need, connections=connections)


def _disappoints(peak: Peak, aim: Aim) -> bool:
    """Return whether more than one checkout in a hundred got none, or waited for too long."""
    few = 0.01 * (peak.checkouts + peak.refused)
    slow = peak.waited > few and peak.wait_time > aim.patience * peak.waited
    return peak.refused > few or slow


def is_slower(need: Need) -> bool:
    """Return whether connections were held for so long that something else must be wrong."""
    return need.slower >= _SLOWER and need.held >= _LONG


def _budget(app: str, pools: Sequence[PoolAdvice], facts: Facts, aim: Aim) -> BudgetAdvice:
    needs = [need for pool in pools for need in pool.needs]
    loads = [load for pool in pools for load in pool.loads]
    # Of who has told too little is known that one is the least. And the budget keeps one by which
    # those ask who have none.
    wanted = sum(need.connections for need in needs) + len(loads) - len(needs) + 1
    least = max(_together(needs, aim), *(need.connections for need in needs), 1) + 1
    sizes = [load.max_size for load in loads]
    asking = facts.asking.get(app)
    room = None if facts.server is None else facts.server.room_for(app)
    offered = sum(need.offered for need in needs)
    useful = max(round(aim.at_work / asking), 1) if aim.at_work is not None and asking else None
    budget = wanted
    if useful is not None and offered > useful:
        budget = min(budget, max(useful, len(loads)) + 1)
    if room is not None:
        budget = min(budget, room)
    known = all(pool.certainty != "none" for pool in pools)
    return BudgetAdvice(
        app,
        len(_processes(facts, app)),
        None if None in sizes else sum(size for size in sizes if size is not None),
        max(budget, SMALLEST) if known else None,
        wanted,
        min(least, wanted),
        offered,
        room,
        useful,
        asking,
    )


def _together(needs: Sequence[Need], aim: Aim) -> int:
    """Return what is enough for all, if all have their busiest five minutes at once."""
    offered = sum(need.offered for need in needs)
    if not offered:
        return 0
    rate = sum(need.rate for need in needs)
    # Without a checkout in those minutes they were held all the time.
    held = offered / rate if rate else max(need.held for need in needs)
    # Variances add up where processes know nothing of each other.
    burst = sum(need.offered * need.burst for need in needs) / offered
    return enough(offered, held, patience=aim.patience, burst=burst)
