"""Do a thousand processes share one budget: is it kept, who gets what, and how soon?

In one program and a time of its own: the share logic is the real one, the server, its store and
the network are modelled (`multipool.testing.shares`). The load moves, the server crashes,
processes are killed and started again, claims are lost; the budget is looked at each time that
anything could exceed it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.measure import Effort
from benchmarks.report import Report, Table, Verdict
from benchmarks.timeline import Timeline
from multipool.budget.sharing import WRITES
from multipool.testing.shares.fleet import Fleet, Model

PROCESSES: Final = 1000
#: So many of them are busy at a time, and so often each is asked for a connection then, and else.
BUSY: Final = 60
OFTEN: Final = 15.0
SELDOM: Final = 0.02
MODEL: Final = Model(
    budget=300,
    processes=PROCESSES,
    hosts=20,
    held=0.2,
    latency=(0.0005, 0.01),
    loss=0.01,
)
#: How many connections the busy ones have in use on average: the load has settled where they
#: have so many.
SETTLED: Final = BUSY * OFTEN * MODEL.held

FIRST: Final = range(BUSY)
LAST: Final = range(PROCESSES - BUSY, PROCESSES)
DYING: Final = range(PROCESSES - BUSY // 2, PROCESSES)

#: How often each of them is asked where all are at once, more than there are connections.
CROWDS: Final = (0.05, 0.2)

LAYERS: Final = ("the first 60", "880 others", "the last 60")


@dataclass(frozen=True)
class Phase:
    """One thing that happens, and what came of it."""

    name: str
    began: float
    settled: float
    longest: float
    without: int


def run(effort: Effort) -> Report:
    """Play it and return the report."""
    began = time.process_time()
    fleet = Fleet(MODEL, [FIRST, range(BUSY, PROCESSES - BUSY), LAST])
    phases = list(_play(fleet, effort.pick(60.0, 6.0)))
    store = fleet.store
    spent = time.process_time() - began
    crowds = {rate: _crowd(rate, effort.pick(120.0, 6.0)) for rate in CROWDS}
    rows = [
        [
            phase.name,
            f"{phase.began:.0f} s",
            f"{phase.settled - phase.began:.1f} s" if phase.settled >= 0 else "never",
            f"{phase.longest:.1f} s",
            str(phase.without),
        ]
        for phase in phases
    ]
    times = [sample.at for sample in fleet.samples]
    most = max(sample.allowed for sample in fleet.samples)
    return Report(
        "Shares",
        __doc__.splitlines()[0] if __doc__ else "",
        [
            Table(
                f"{PROCESSES:,} processes on {MODEL.hosts} hosts, a budget of {MODEL.budget},"
                f" {100 * MODEL.loss:g} % of the claims lost",
                ["what happens", "at", "settled after", "longest wait", "unserved at the end"],
                rows,
                notes=[
                    f"settled: the busy {BUSY} have the {SETTLED:g} connections that they use",
                    f"{store.claims / fleet.world.now:.0f} claims a second; {WRITES} in peace",
                    "one is kept for each host, where one process at a time asks that has none",
                    f"{fleet.world.now:.0f} s were played in {spent:.0f} s",
                ],
            ),
            Table(
                "All of them at once, more than there are connections: they take turns",
                ["each is asked", "connections that would do", "served", "longest wait"],
                [
                    [
                        f"{rate:g} times a second",
                        f"{rate * PROCESSES * MODEL.held:.0f} on average",
                        f"{100 * served:.0f} %",
                        f"{longest:.0f} s",
                    ]
                    for rate, (served, longest) in crowds.items()
                ],
            ),
        ],
        [
            Verdict("sessions of pools at any instant", store.most_lent, at_most=MODEL.budget - 1),
            Verdict("allowed when looked at", most, at_most=MODEL.budget - 1),
            Verdict("with those that only ask", store.most, at_most=MODEL.budget),
            Verdict(
                "the slowest to settle",
                max(
                    phase.settled - phase.began if phase.settled >= 0 else float("inf")
                    for phase in phases
                ),
                at_most=20,
                unit=" s",
            ),
            *(
                Verdict(f"served where each is asked {rate:g} times a second", served, at_least=0.9)
                for rate, (served, _) in crowds.items()
            ),
        ],
        Timeline(
            "Connections of a thousand processes",
            "connections",
            times,
            {
                name: [sample.sessions[place] for sample in fleet.samples]
                for place, name in enumerate(LAYERS)
            },
            MODEL.budget,
            {phase.began: phase.name for phase in phases},
        ),
    )


def _play(fleet: Fleet, length: float) -> Iterator[Phase]:
    def busy(places: range) -> Callable[[], None]:
        return lambda: fleet.load(lambda place: OFTEN if place in places else SELDOM)

    yield _phase(fleet, "load", busy(FIRST), FIRST, length)
    yield _phase(fleet, "moves", busy(LAST), LAST, length)
    yield _phase(fleet, "crash", fleet.crash, LAST, length)
    yield _phase(fleet, "30 killed", lambda: fleet.kill(DYING), (), length / 2)
    yield _phase(fleet, "restarted", lambda: fleet.restart(DYING), LAST, length)


def _crowd(rate: float, length: float) -> tuple[float, float]:
    """Return which part of what all together are asked for is served, and the longest wait."""
    fleet = Fleet(MODEL)
    fleet.load(lambda _: rate)
    fleet.pass_time(length)
    served = sum(one.served for one in fleet.processes)
    left = [fleet.world.now - one.waiting[0] for one in fleet.processes if one.waiting]
    asked = served + sum(len(one.waiting) for one in fleet.processes)
    return served / asked, max([*fleet.waits.values(), *left])


def _phase(
    fleet: Fleet, name: str, happens: Callable[[], None], busy: Iterable[int], length: float
) -> Phase:
    """Let it happen and so many seconds go by; *busy* are those that should have most then."""
    fleet.forget_waits()
    began = fleet.world.now
    happens()
    settled = -1.0
    busy = list(busy)
    while fleet.world.now < began + length:
        fleet.pass_time(0.5)
        if settled < 0 and fleet.sessions_of(busy) >= (SETTLED if busy else 0):
            settled = fleet.world.now
    without = sum(1 for one in fleet.processes if one.alive and one.waiting and not one.cap)
    return Phase(name, began, settled, max(fleet.waits.values(), default=0.0), without)
