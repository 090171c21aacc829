"""What does watching cost, on and off?

The same pool with its options changed, side by side, at the bottom of a stack as deep as a web
framework's. Counted is the processor's time in the borrower's thread, since what the server
takes would drown it. What watching adds is the difference to a pool that watches nothing, taken in
each round by itself, so that a machine which slows down meanwhile slows both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final

from benchmarks.measure import Effort, fill, interleave, medians
from benchmarks.peers import (
    Multipool,
    MultipoolPg8000,
    MultipoolPsycopg,
    Options,
    Params,
    installed,
)
from benchmarks.report import Report, Table, Verdict, microseconds
from multipool.testing.server import embedded_server

OFF: Final = "trace=False"
AUTO: Final = "as it comes"
FULL: Final = 'trace="full"'
QUERIES: Final = "trace=False, queries=True"
ALL: Final = 'trace="full", queries=True'

CHECKOUTS: Final[dict[str, dict[str, Any]]] = {
    OFF: {"trace": False},
    AUTO: {},
    FULL: {"trace": "full"},
}
EXECUTIONS: Final[dict[str, dict[str, Any]]] = {
    **CHECKOUTS,
    QUERIES: {"trace": False, "queries": True},
    ALL: {"trace": "full", "queries": True},
}

#: How many frames there are below the loop.
DEPTH: Final = 40

Loop = Callable[[int], object]
Figures = dict[str, list[float]]


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    tables: list[Table] = []
    verdicts: list[Verdict] = []
    peers = installed([Multipool, MultipoolPsycopg, MultipoolPg8000])
    with embedded_server() as server:
        for peer in peers[:1]:
            figures = _measure(peer, server.params, CHECKOUTS, _checkouts, effort)
            tables.append(_table(f"{peer.label}: getconn and putconn", figures))
            verdicts += [
                _verdict("on checkout and return, as it comes", figures, AUTO, 0.15),
                _verdict("on checkout and return, whole stacks", figures, FULL, 4),
            ]
        for peer in peers:
            figures = _measure(peer, server.params, EXECUTIONS, _executions, effort)
            tables.append(_table(f"{peer.label}: cursor, execute and fetch", figures))
            verdicts += [
                _verdict(f"on a query, the report alone, {peer.driver}", figures, QUERIES, 3),
                _verdict(f"on a query, whole stacks and report, {peer.driver}", figures, ALL, 10),
            ]
    return Report("Watching", "What does watching cost, on and off?", tables, verdicts)


def _measure(
    peer: type[Multipool],
    params: Params,
    options: Mapping[str, dict[str, Any]],
    loop_of: Callable[[Any, ExitStack], Loop],
    effort: Effort,
) -> Figures:
    # Short and many, so that the two of a pair are close to each other.
    count, rounds = effort.pick((100, 151), (10, 1))
    with ExitStack() as stack:
        subjects = {}
        for name, extra in options.items():
            configured = type(peer.__name__, (peer,), {"extra": extra})
            pool = stack.enter_context(configured(params, Options(size=1, autocommit=True)))
            fill(pool, 1)
            subjects[name] = _deeply(_per_call(loop_of(pool.pool, stack), count))
        return interleave(subjects, rounds)


def _per_call(loop: Loop, count: int) -> Callable[[], float]:
    def timed() -> float:
        begun = time.thread_time()
        loop(count)
        return (time.thread_time() - begun) / count

    return timed


def _deeply(timed: Callable[[], float]) -> Callable[[], float]:
    def descend(levels: int) -> float:
        return descend(levels - 1) if levels else timed()

    return lambda: descend(DEPTH)


def _checkouts(pool: Any, stack: ExitStack) -> Loop:
    def loop(count: int) -> None:
        getconn, putconn = pool.getconn, pool.putconn
        for _ in range(count):
            putconn(getconn())

    return loop


def _executions(pool: Any, stack: ExitStack) -> Loop:
    conn = pool.getconn()
    stack.callback(conn.close)

    def loop(count: int) -> None:
        for _ in range(count):
            cursor = conn.cursor()
            cursor.execute("select 1")
            cursor.fetchone()

    return loop


def _added(figures: Figures, name: str) -> float:
    """Return what *name* takes more than watching nothing does, in seconds."""
    pairs = zip(figures[name], figures[OFF], strict=True)
    return statistics.median(on - off for on, off in pairs)


def _table(title: str, figures: Figures) -> Table:
    rows = [
        [name, microseconds(figure), microseconds(_added(figures, name))]
        for name, figure in medians(figures).items()
    ]
    return Table(title, ["watching", "µs", "µs more"], rows)


def _verdict(what: str, figures: Figures, name: str, limit: float) -> Verdict:
    return Verdict(f"added {what}", _added(figures, name) * 1e6, at_most=limit, unit=" µs")
