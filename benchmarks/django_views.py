"""How fast are Django's views through our backends, and through what else there is?

The pages of the demo's shop without HTTP, each way in a process of its own, in turns: on the
loopback, and over a line on which each answer takes 10 ms. Every pool may have as many
connections as there are threads. Liveness is on wherever it says "checks", and in ours.

Where the processor is what is short, on the loopback and with many threads on the line, all
processes share one. Where they have several, three processes of the same Django code differ by a
tenth for as long as they live, by which of their server processes the system keeps where: more
than the ways differ. Even so two processes of the very same way differ by some per cent, so each
way has several, one after the other. Turns are short and many, since the speed of a shared
machine changes within the second. And the best of the others is not measured with the processes
among which it was the best: of eight ways that each err by 3 %, that one would seem 4 % too good.
"""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from benchmarks.measure import Effort, one_processor
from benchmarks.report import Report, Table, Verdict
from multipool.testing.proxy import Proxy
from multipool.testing.server import EmbeddedServer, embedded_server
from multipool_django.demo import ways
from multipool_django.demo.children import Children
from multipool_django.demo.load import Figures
from multipool_django.demo.side_by_side import SideBySide, median_of
from multipool_django.demo.signals import Stop
from multipool_django.demo.ways import Way
from tests import pgbouncer

Results = Mapping[Way, Figures]
#: How many processes each way has, one after the other.
LOTS: Final = 3

#: By the number of threads: the seconds of a turn, and how many there are in each lot. The more
#: threads, the fewer visits each makes in a turn, and the more a turn differs from the next.
NEAR: Final = {1: (0.1, 6), 8: (0.15, 4), 32: (0.6, 4)}
FAR: Final = {1: (0.3, 2), 8: (0.3, 4)}
#: Over the line too, but there the threads wait for the processor, and not for the line.
CROWDED: Final = {32: (0.6, 4)}
#: The same where there is one query, and no page.
SELECT: Final = {1: (0.05, 20)}

DELAY: Final = 0.005  # seconds, each way
#: How far two ways that do the same may differ: these are the figures of a machine at work.
EQUAL: Final = 0.95
DRIVERS: Final = ("psycopg2", "psycopg", "pg8000")

#: The pages, and how they are called in the tables.
VIEWS: Final = {
    "deliver": "atomic() with one query",
    "buy": "atomic() with six queries",
    "product": "two queries",
    "best-sellers": "two heavy queries",
}


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    tables: list[Table] = []
    verdicts: list[Verdict] = []
    all_ways = [*map(ways.ours, DRIVERS), *ways.elsewhere()]
    with Stop() as stop:
        with one_processor(), shop(stop) as server:
            here = {**server.tcp_params, "password": ""}
            pages = _in_lots(stop, here, effort, all_ways, VIEWS, NEAR)
            _tell_of_pages(pages, "on the loopback", tables, verdicts)
            select = _select(stop, here, effort, all_ways)
            _tell_of_select(select, "on the loopback", tables, verdicts)
            for title, pooled in _behind_pgbouncer(stop, server, effort):
                tables.append(_table(title, pooled))
                verdicts += _pooled_verdicts(title, pooled)
        with _far_shop(stop) as there:
            pages = _in_lots(stop, there, effort, all_ways, VIEWS, FAR)
            select = _select(stop, there, effort, all_ways)
        with one_processor(), _far_shop(stop) as there:
            crowded = _in_lots(stop, there, effort, all_ways, VIEWS, CROWDED)
        pages = {what: {**pages[what], **crowded[what]} for what in VIEWS}
        _tell_of_pages(pages, "10 ms away", tables, verdicts)
        verdicts += _round_trip_verdicts(_together(pages["deliver"][min(pages["deliver"])]))
        _tell_of_select(select, "10 ms away", tables, verdicts)
    tables.append(_versions())
    return Report(
        "Django",
        "How fast are Django's views through our backends, and through what else there is?",
        tables,
        verdicts,
    )


@contextmanager
def shop(stop: Stop) -> Iterator[EmbeddedServer]:
    """Run a server whose database is the demo's shop, its tables filled."""
    with embedded_server(tcp=True, max_connections=500) as server, Children(stop) as children:
        params = {**server.tcp_params, "password": ""}
        engine = f"multipool_django.{DRIVERS[0]}"
        children.start("stock", driver=DRIVERS[0], engine=engine, params=params).hear()
        children.end()
        yield server


@contextmanager
def _far_shop(stop: Stop) -> Iterator[dict[str, str]]:
    """Run the same at the end of a line on which each answer takes 10 ms; yield its parameters."""
    with shop(stop) as server, Proxy({**server.tcp_params, "password": ""}, delay=DELAY) as line:
        yield {**line.params, "password": ""}


def _select(
    stop: Stop, params: Mapping[str, str], effort: Effort, all_ways: Sequence[Way]
) -> Results:
    """Return what each way had of the shortest query there is, and one that never closes too."""
    some = [*all_ways, ways.never_closed("psycopg2")]
    by_threads = _in_lots(stop, params, effort, some, ["select"], SELECT)["select"]
    return _together(by_threads[1])


def _in_lots(
    stop: Stop,
    params: Mapping[str, str],
    effort: Effort,
    some: Sequence[Way],
    whats: Iterable[str],
    turns: Mapping[int, tuple[float, int]],
) -> dict[str, dict[int, list[Results]]]:
    """Return of each of *whats* what each number of threads had of each way, lot by lot."""
    turns = effort.pick(turns, {min(turns): (0.02, 1)})
    found: dict[str, dict[int, list[Results]]] = {what: {n: [] for n in turns} for what in whats}
    for _ in range(effort.pick(LOTS, 1)):
        with _side_by_side(stop, some, params) as side_by_side:
            # Every thread of every way connects, so that nobody's first time is measured.
            side_by_side.compare("product", max(turns), effort.pick(0.3, 0.02), 1)
            for what, by_threads in found.items():
                for number, (seconds, rounds) in turns.items():
                    results = side_by_side.compare(what, number, seconds, rounds)
                    by_threads[number].append(results)
    return found


def _behind_pgbouncer(
    stop: Stop, server: EmbeddedServer, effort: Effort
) -> Iterator[tuple[str, dict[int, Results]]]:
    """Yield the same of our ways with a pool and without, behind a PgBouncer, if there is one."""
    program = pgbouncer.program()
    if program is None:
        return
    seconds, rounds = effort.pick((0.25, 9), (0.02, 1))
    threads = effort.pick((1, 8), (2,))
    pairs = [way(driver) for driver in DRIVERS for way in (ways.ours, ways.unpooled)]
    with (
        pgbouncer.running(program, {**server.tcp_params, "password": ""}, clients=200) as params,
        _side_by_side(stop, pairs, params) as side_by_side,
    ):
        for what in ("deliver", "product"):
            title = f"{what}: {VIEWS[what]}, behind {_pgbouncer(program)} on the loopback"
            yield title, {n: side_by_side.compare(what, n, seconds, rounds) for n in threads}


def _pgbouncer(program: str) -> str:
    """Return name and version."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    return told.stdout.partition("\n")[0]


@contextmanager
def _side_by_side(
    stop: Stop, some: Iterable[Way], params: Mapping[str, str]
) -> Iterator[SideBySide]:
    with Children(stop) as children:
        try:
            yield SideBySide(some, params, children)
        except Exception as error:
            error.add_note(children.last_words())
            raise


# -- what is told of it --------------------------------------------------------------------------


def _tell_of_pages(
    pages: Mapping[str, Mapping[int, list[Results]]],
    where: str,
    tables: list[Table],
    verdicts: list[Verdict],
) -> None:
    """Add a table and a verdict for each of *pages*."""
    for what, by_threads in pages.items():
        together = {number: _together(lots) for number, lots in by_threads.items()}
        tables.append(_table(f"{what}: {VIEWS[what]}, {where}", together))
        worst = min(map(_by_best_other, by_threads.values()))
        named = f"{what}, {where}: ours by the best other, worst"
        verdicts.append(Verdict(named, worst, at_least=EQUAL))


def _tell_of_select(
    kept: Results, where: str, tables: list[Table], verdicts: list[Verdict]
) -> None:
    tables.append(_table(f"select 1; connection.close(), {where}", {1: kept}))
    verdicts += _select_verdicts(kept, where)


def _table(title: str, by_threads: Mapping[int, Results]) -> Table:
    """Return a table with a row for each way, and for each number of threads three columns."""
    columns = [""]
    for number in by_threads:
        threads = "1 thread" if number == 1 else f"{number} threads"
        columns += [f"{threads}: per s", "times ours", "longest ms"]
    best = {number: _best(results, ours=True) for number, results in by_threads.items()}
    rows = []
    for way in next(iter(by_threads.values())):
        cells = [way.name]
        for number, results in by_threads.items():
            figures = results[way]
            cells += [
                f"{figures.per_second:,.0f}",
                f"{figures.per_second / best[number]:.2f}",
                f"{figures.longest * 1e3:.0f}",
            ]
        rows.append(cells)
    return Table(title, columns, rows)


def _versions() -> Table:
    rows = []
    for name in ("Django", "django-db-connection-pool", "psycopg-pool", "SQLAlchemy"):
        try:
            rows.append([name, version(name)])
        except PackageNotFoundError:
            rows.append([name, "not installed"])
    return Table("Versions", ["distribution", "version"], rows, prose=True)


def _together(lots: Sequence[Results]) -> Results:
    return {way: median_of([lot[way] for lot in lots]) for way in lots[0]}


def _by_best_other(lots: Sequence[Results]) -> float:
    """Return our best way's rate by that of the best other, neither chosen where it is measured."""
    ratios = []
    for lot in lots:
        # Where there is but one, in a quick run, nothing is meant by it.
        rest = _together([each for each in lots if each is not lot] or lots)
        ours, other = (_best_way(rest, ours=mine) for mine in (True, False))
        ratios.append(lot[ours].per_second / lot[other].per_second)
    return statistics.geometric_mean(ratios)


def _round_trip_verdicts(results: Results) -> list[Verdict]:
    """Two round trips against three, and against four with a check: nine tenths of that."""
    ours = _best(results, ours=True)
    return [
        Verdict(
            f"one query in atomic(), 10 ms away, times faster than {way.name}",
            ours / figures.per_second,
            at_least=0.9 * (3 if way.label == "Django's own pool" else 4) / 2,
        )
        for way, figures in results.items()
        if not _is_ours(way)
    ]


def _select_verdicts(results: Results, where: str) -> list[Verdict]:
    kept = next(way for way in results if not way.closes)
    ours = _best(results, ours=True)
    others = _best({way: each for way, each in results.items() if way.closes}, ours=False)
    what = f"select 1; connection.close(), {where}"
    return [
        Verdict(f"{what}: ours by the best other that closes", ours / others, at_least=EQUAL),
        Verdict(f"{what}: ours by {kept.name}", ours / results[kept].per_second, at_least=0.85),
    ]


def _pooled_verdicts(title: str, by_threads: Mapping[int, Results]) -> list[Verdict]:
    """Return one for each driver: its pooled rate by its unpooled, the worst."""
    rates = [
        {(way.driver, _is_ours(way)): figures.per_second for way, figures in results.items()}
        for results in by_threads.values()
    ]
    return [
        Verdict(
            f"{title}, {driver}: pooled by pool=False",
            min(rate[driver, True] / rate[driver, False] for rate in rates),
            at_least=EQUAL,
        )
        for driver in DRIVERS
    ]


def _best(results: Results, *, ours: bool) -> float:
    return results[_best_way(results, ours=ours)].per_second


def _best_way(results: Results, *, ours: bool) -> Way:
    ways = [way for way in results if _is_ours(way) == ours]
    return max(ways, key=lambda way: results[way].per_second)


def _is_ours(way: Way) -> bool:
    return way.label == "multipool"
