"""What do prepared statements gain, and what do they cost when PostgreSQL's plan is wrong?

Queries that return one row, by a primary key, with two joins and with six: unprepared, prepared
by a pool, and prepared by hand (``PREPARE`` and ``EXECUTE``; with psycopg its own way). By hand
is measured twice: on a connection of a pool, which watches it as it does by default, and on one
of the driver's own, which no pool ever saw. The latter is what we are judged by, though there we
do the watching too. Then skewed data, on which the plan that PostgreSQL settles for is hundreds
of times slower.

Client and server share one processor. They never work at the same time, and to wake a process that
sleeps on another one may take as long as all else that a short statement takes: twice the time, for
those connections whose server processes the system happens to keep there. What is left of such luck
is shared out: each way is measured on several connections, one after the other; and on skewed data,
where in the end both ways execute the same, they take turns on the same ones.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, Final

from benchmarks.measure import Effort, interleave, medians, one_processor, per_call
from benchmarks.report import Report, Table, Verdict, microseconds
from multipool import Pool, get_driver
from multipool.testing.server import EmbeddedServer, embedded_server

DRIVERS: Final = ("psycopg2", "psycopg", "pg8000")
WARMING: Final = 5  # executions at the beginning of a turn that are not timed
LOTS: Final = 5  # of connections, one for each way, on which one row is fetched
ROWS: Final = 1000  # of each table of the joins
COMMON: Final = 300_000  # rows of the frequent value
RARE: Final = 50  # values with one row each
CONNECTIONS: Final = 4  # that take turns on skewed data
PARTS: Final = 50  # of what is measured there, in each of which the ways are compared
PASSING: Final = 100  # executions of rare values in which the guard makes up its mind
SETTLED: Final = 10  # executions after which PostgreSQL has settled for a plan

UNPREPARED, OURS = "unprepared", "by the pool"
BY_HAND, BY_HAND_IN_POOL = "by hand", "by hand, in a pool"

#: A chain of tables, each of which refers to the next.
CHAIN: Final = ("item", "purchase", "customer", "address", "city", "region", "country")

#: The seconds that one execution took in each round, by the way it was run.
Times = dict[str, list[float]]

SKEWED: Final = "select count(*) from (select v from skew where kind = %s order by v limit 10) x"


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    tables: list[Table] = []
    verdicts: list[Verdict] = []
    with one_processor(), embedded_server() as server:
        _fill(server)
        for driver in filter(find_spec, DRIVERS):
            for name, sql in _queries().items():
                times = _times(server, driver, sql, effort)
                tables.append(_table(f"{driver}, {name}", medians(times)))
                verdicts += _verdicts(f"{driver}, {name}", times)
            skewed, slow = _skewed(server, driver, effort)
            tables.append(_table(f"{driver}, skewed data", medians(skewed), slow))
            slower = 1 / _times_faster(skewed, UNPREPARED)
            verdicts += [
                Verdict(f"slow executions, {driver}, skewed data", slow[OURS], at_most=3),
                Verdict(f"time by unprepared, {driver}, skewed data", slower, at_most=1.1),
            ]
    return Report("Plans", __doc__.splitlines()[0] if __doc__ else "", tables, verdicts)


def _fill(server: EmbeddedServer) -> None:
    statements = []
    # ruff: noqa: S608  # the names are ours
    for table, following in zip(CHAIN, (*CHAIN[1:], None), strict=True):
        reference = f", {following}_id integer not null" if following else ""
        value = f", {ROWS} - i + 1" if following else ""
        statements.append(
            f"create table {table} (id integer primary key, name text not null{reference});"
            f"insert into {table} select i, '{table} ' || i{value}"  # names of ours
            f" from generate_series(1, {ROWS}) i"
        )
        if following:  # as Django does
            statements.append(f"create index on {table} ({following}_id)")
    statements.append(
        "create table skew (id integer primary key, kind integer not null, v integer not null);"
        f"insert into skew select i, 0, i from generate_series(1, {COMMON}) i;"
        f"insert into skew select {COMMON} + i, i, {COMMON} + i from generate_series(1, {RARE}) i;"
        "create index on skew (kind); create index on skew (v)"
    )
    statements.append("analyze")
    server.psql(";".join(statements))


def _queries() -> dict[str, str]:
    return {
        "by primary key": "select id, name from item where id = %s",
        "two joins": _join(2),
        "six joins": _join(6),
    }


def _join(number: int) -> str:
    tables = CHAIN[: number + 1]
    names = ", ".join(f"{table}.name" for table in tables)
    joins = " ".join(
        f"join {following} on {following}.id = {table}.{following}_id"
        for table, following in pairwise(tables)
    )
    return f"select {names} from item {joins} where item.id = %s"


# -- one row -------------------------------------------------------------------------------


def _times(server: EmbeddedServer, driver: str, sql: str, effort: Effort) -> Times:
    """Return the seconds of one execution in each round, by each way to run it."""
    count, rounds, lots = effort.pick((50, 31, LOTS), (20, 1, 1))
    times: Times = {}
    for _ in range(lots):
        with ExitStack() as stack:
            loops = {
                UNPREPARED: _loop(_lease(stack, server, driver), sql, _unprepared(driver)),
                OURS: _loop(_lease(stack, server, driver, sql), sql, {}),
                BY_HAND: _by_hand(_bare(stack, server, driver), driver, sql),
                BY_HAND_IN_POOL: _by_hand(_lease(stack, server, driver), driver, sql),
            }
            subjects = {name: _warm(loop, count) for name, loop in loops.items()}
            for name, found in interleave(subjects, rounds).items():
                times.setdefault(name, []).extend(found)
    return times


def _warm(loop: Callable[[int], None], count: int) -> Callable[[], float]:
    """Return a function like `per_call`'s, which first runs the *loop* a little untimed.

    Else it would matter whose turn was before: planning leaves little in the processor's caches.
    """
    timed = per_call(loop, count)

    def warm() -> float:
        loop(WARMING)
        return timed()

    return warm


def _bare(stack: ExitStack, server: EmbeddedServer, driver: str) -> Any:
    """Return a connection in autocommit that is none of a pool's.

    pg8000's is the adapter's, on which EXECUTE is faster than on one of its own.
    """
    module = import_module({"pg8000": "multipool_pg8000"}.get(driver, driver))
    conn = module.connect(**server.params)
    stack.callback(conn.close)
    conn.autocommit = True
    return conn


def _lease(stack: ExitStack, server: EmbeddedServer, driver: str, *sql: str) -> Any:
    """Return a connection in autocommit of a pool that prepares *sql*."""
    pool = stack.enter_context(Pool(dict(server.params), driver=driver))
    for statement in sql:
        pool.prepare(statement)
    return _leased(stack, pool)


def _leased(stack: ExitStack, pool: Pool) -> Any:
    conn: Any = stack.enter_context(pool.connection())
    conn.autocommit = True
    return conn


def _unprepared(driver: str) -> dict[str, Any]:
    # Else psycopg prepares by itself.
    return {"prepare": False} if driver == "psycopg" else {}


def _loop(conn: Any, sql: str, options: dict[str, Any]) -> Callable[[int], None]:
    cursor = conn.cursor()
    keys = _keys()

    def loop(count: int) -> None:
        for _ in range(count):
            cursor.execute(sql, (next(keys),), **options)
            cursor.fetchall()

    return loop


def _by_hand(conn: Any, driver: str, sql: str) -> Callable[[int], None]:
    if driver == "psycopg":
        return _loop(conn, sql, {"prepare": True})
    conn.cursor().execute(f"prepare by_hand (integer) as {sql.replace('%s', '$1')}")
    return _loop(conn, "execute by_hand (%s)", {})


def _keys() -> Iterator[int]:
    while True:
        yield from range(1, ROWS + 1)


# -- skewed data ----------------------------------------------------------------------------


def _skewed(server: EmbeddedServer, driver: str, effort: Effort) -> tuple[Times, dict[str, float]]:
    """Return the seconds of one execution with rare values, by the part, and how many were slow.

    The frequent value comes first, until PostgreSQL has settled for its plan. Slow is what takes
    at least half as long as with that plan; the first `PASSING` are not in the seconds. Cursors
    that were there before the pool was asked to prepare go on as before: so both ways have the
    same connections, each way first every other time.
    """
    count = effort.pick(10_000, 200)
    times: Times = {UNPREPARED: [], OURS: []}
    with ExitStack() as stack:
        bad = _own_choice(_lease(stack, server, driver), driver)
        pool = stack.enter_context(Pool(dict(server.params), driver=driver))
        conns = [_leased(stack, pool) for _ in range(CONNECTIONS)]
        before = [conn.cursor() for conn in conns]
        pool.prepare(SKEWED)
        ways = [
            (UNPREPARED, before, _unprepared(driver)),
            (OURS, [conn.cursor() for conn in conns], {}),
        ]
        for _, cursors, options in ways:
            for cursor in cursors * SETTLED:
                _timed(cursor, SKEWED, (0,), **options)
        for number in range(count):
            place = number % CONNECTIONS
            if not place:
                ways.reverse()
            for name, cursors, options in ways:
                seconds = _timed(cursors[place], SKEWED, (1 + number % RARE,), **options)
                times[name].append(seconds)
    slow = {name: float(sum(t > bad / 2 for t in found)) for name, found in times.items()}
    return {name: _by_part(found[PASSING:]) for name, found in times.items()}, slow


def _own_choice(conn: Any, driver: str) -> float:
    """Return how long a rare value takes with the plan that PostgreSQL settles for."""
    get_driver(driver).execute(conn, f"prepare settled (integer) as {SKEWED.replace('%s', '$1')}")
    cursor = conn.cursor()
    for _ in range(SETTLED):
        _timed(cursor, "execute settled (0)")
    return statistics.median(_timed(cursor, "execute settled (1)") for _ in range(5))


def _by_part(found: list[float]) -> list[float]:
    """Return the seconds of one of *found* in each part, since others use the machine too."""
    size = max(len(found) // PARTS, 1)
    return [statistics.mean(found[at : at + size]) for at in range(0, len(found), size)]


def _timed(cursor: Any, sql: str, params: tuple[int, ...] | None = None, **options: Any) -> float:
    begun = time.perf_counter()
    cursor.execute(sql, params, **options)
    cursor.fetchall()
    return time.perf_counter() - begun


# -- what is said of it -----------------------------------------------------------------------


def _table(title: str, figures: dict[str, float], slow: dict[str, float] | None = None) -> Table:
    columns = ["", "µs", "times unprepared"]
    rows = [
        [name, microseconds(figure), f"{figure / figures[UNPREPARED]:.3f}"]
        for name, figure in figures.items()
    ]
    if slow is not None:
        columns.append("slow")
        rows = [[*row, f"{slow[row[0]]:.0f}"] for row in rows]
    return Table(title, columns, rows)


def _verdicts(what: str, times: Times) -> list[Verdict]:
    found = [
        Verdict(f"speed by that of hand, {what}", _times_faster(times, BY_HAND), at_least=0.95)
    ]
    if "six" in what:
        faster = _times_faster(times, UNPREPARED)
        found.append(Verdict(f"times faster than unprepared, {what}", faster, at_least=10))
    return found


def _times_faster(times: Times, other: str) -> float:
    """Return how many times as long as ours the *other* way takes, in most rounds."""
    return statistics.median(
        theirs / ours for theirs, ours in zip(times[other], times[OURS], strict=True)
    )
