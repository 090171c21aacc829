"""What does a pool add to a real query?

psycopg 3, ``select 1`` over a unix socket, with dead connections noticed: ours by its watcher,
psycopg_pool by its ``check``. Measured twice: in autocommit, where the query is the only round
trip, and in a transaction, as ``with pool.connection()`` gives it by default.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final

from benchmarks.measure import Effort, at_once, fill, interleave, medians, per_call
from benchmarks.peers import (
    Lending,
    MultipoolPsycopg,
    Options,
    Params,
    PsycopgPool,
    installed,
)
from benchmarks.report import Report, Table, Verdict, microseconds, relative_rows
from multipool.testing.server import embedded_server

THREADS: Final = 32
SIZE: Final = 10
BARE: Final = "one bare connection"
CHECKED: Final = f"{PsycopgPool.label}, check"
OURS: Final = MultipoolPsycopg.label

Loop = Callable[[int], object]


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    tables: list[Table] = []
    verdicts: list[Verdict] = []
    if not installed([MultipoolPsycopg]):
        missing = Table("psycopg is not installed", ["pool"], [])
        return Report("Query", "What does a pool add to a real query?", [missing])
    with embedded_server() as server:
        for autocommit in (True, False):
            with ExitStack() as stack:
                loops = _loops(server.params, autocommit, stack)
                mode = "in autocommit" if autocommit else "in a transaction"
                one = _one_thread(loops, effort)
                many = _many_threads(loops, effort)
            tables += [
                _table(f"select 1 {mode}, one thread", one),
                _table(f"select 1 {mode}, {THREADS} threads on {SIZE} connections", many),
            ]
            verdicts += _verdicts(one, many, mode)
    return Report("Query", "What does a pool add to a real query?", tables, verdicts)


def _loops(params: Params, autocommit: bool, stack: ExitStack) -> dict[str, Loop]:
    """Return for each subject a loop of queries."""
    import psycopg

    bare = stack.enter_context(psycopg.connect(**params, autocommit=autocommit))
    subjects: dict[str, tuple[type[Lending], bool]] = {OURS: (MultipoolPsycopg, False)}
    if installed([PsycopgPool]):
        subjects |= {CHECKED: (PsycopgPool, True), PsycopgPool.label: (PsycopgPool, False)}
    loops: dict[str, Loop] = {BARE: lambda count: _bare(bare, count)}
    for name, (peer, careful) in subjects.items():
        options = Options(size=SIZE, careful=careful, autocommit=autocommit)
        pool = stack.enter_context(peer(params, options))
        fill(pool, SIZE)
        loops[name] = _pooled(pool)
    return loops


def _bare(conn: Any, count: int) -> None:
    for _ in range(count):
        conn.execute("select 1").fetchone()
        conn.commit()


def _pooled(pool: Lending) -> Loop:
    def loop(count: int) -> None:
        connection = pool.pool.connection
        for _ in range(count):
            with connection() as conn:
                conn.execute("select 1").fetchone()

    return loop


def _one_thread(loops: Mapping[str, Loop], effort: Effort) -> dict[str, float]:
    count, rounds = effort.pick((500, 31), (20, 1))
    subjects = {name: per_call(loop, count) for name, loop in loops.items()}
    return medians(interleave(subjects, rounds))


def _many_threads(loops: Mapping[str, Loop], effort: Effort) -> dict[str, float]:
    """Return the seconds for each query, of all threads together."""
    count, rounds = effort.pick((100, 15), (5, 1))

    def crowd(loop: Loop) -> Callable[[], float]:
        def timed() -> float:
            begun = time.perf_counter()
            at_once(THREADS, lambda _: loop(count))
            return (time.perf_counter() - begun) / (count * THREADS)

        return timed

    subjects = {name: crowd(loop) for name, loop in loops.items() if name != BARE}
    return medians(interleave(subjects, rounds))


def _table(title: str, figures: dict[str, float]) -> Table:
    columns = ["", "µs a query", f"times {OURS}"]
    return Table(title, columns, relative_rows(figures, OURS, microseconds))


def _verdicts(one: dict[str, float], many: dict[str, float], mode: str) -> list[Verdict]:
    found = [
        Verdict(
            f"time by a bare connection's, one thread, {mode}", one[OURS] / one[BARE], at_most=1.05
        )
    ]
    if CHECKED in one:
        found += [
            Verdict(
                f"times faster than {CHECKED}, one thread, {mode}",
                one[CHECKED] / one[OURS],
                at_least=1.5,
            ),
            Verdict(
                f"times faster than {CHECKED}, {THREADS} threads, {mode}",
                many[CHECKED] / many[OURS],
                at_least=1.1,
            ),
        ]
    return found
