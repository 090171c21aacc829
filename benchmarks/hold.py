"""What is gained by holding a connection only while it is needed?

A hundred threads, five connections: a request asks, waits 50 ms for something else, asks again.
Django keeps its connection meanwhile (``hold="request"``), or does not (``"transaction"``), or
has PgBouncer lend it by the transaction, to which each thread stays connected: as a site has it
without us, by Django's own backend where it has one for the driver. Nobody watches what goes
through PgBouncer there, so ours is measured as it comes, and once more with that turned off. And
the price: the same without the wait, and a page of the demo's shop.

Each way has a process of its own, and how its threads and its server's processes come to lie on
the processors stays with it: two processes of the very same way differ by a tenth. So the waiting
work is measured several times, each time with new processes, and the median counts. And once more,
with the rest, where all of them share one processor: there PgBouncer's own work counts too, as it
does on a machine whose processors are all at work, and the interpreter's lock need not pass from
one processor to another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any, Final

from benchmarks.django_views import shop
from benchmarks.measure import Effort, one_processor
from benchmarks.report import Report, Table, Verdict
from multipool_django.demo import ways
from multipool_django.demo.children import Children
from multipool_django.demo.load import Figures
from multipool_django.demo.side_by_side import SideBySide, median_of
from multipool_django.demo.signals import Stop
from multipool_django.demo.ways import THREADS, Way
from tests import pgbouncer

Results = Mapping[Way, Figures]

#: The connections to the server, however they are shared.
SIZE: Final = 5
DRIVERS: Final = ("psycopg2", "psycopg", "pg8000")
#: How many processes each way has, one after the other.
LOTS: Final = 4
#: Those that Django has a backend for.
DJANGOS: Final = ("psycopg2", "psycopg")

#: What the ways are called.
OURS: Final = 'hold="transaction"'
KEPT: Final = 'hold="request"'
QUIET: Final = f"{OURS}, unwatched"
PGBOUNCER: Final = "PgBouncer"

#: What is turned off so that ours does no more than the others.
UNWATCHED: Final = {"trace": False, "queries": False}

WAITING: Final = "two-waiting"
#: What has no wait, and how it is called in the tables.
BUSY: Final = {"two": "two queries", "product": "a page with two queries"}


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    drivers = [driver for driver in effort.pick(DRIVERS, DRIVERS[:1]) if find_spec(driver)]
    threads = effort.pick(THREADS, 10)
    lots = effort.pick(LOTS, 1)
    apart = _medians(drivers, [WAITING], threads, lots, effort)[WAITING]
    with one_processor():
        together = _medians(drivers, [WAITING, *BUSY], threads, lots, effort)
    title = f"two queries and 50 ms between, {threads} threads, {SIZE} connections"
    tables = [_table(title, apart), _table(f"{title}, on one processor", together[WAITING])]
    verdicts = [*_waiting_verdicts("", apart)]
    verdicts += _waiting_verdicts("on one processor, ", together[WAITING])
    for what, words in BUSY.items():
        tables.append(_table(f"{words}, 1 thread, on one processor", together[what]))
        verdicts += _busy_verdicts(words, together[what])
    return Report(
        "Hold",
        "What is gained by holding a connection only while it is needed?",
        tables,
        verdicts,
    )


def _medians(
    drivers: list[str], whats: list[str], threads: int, lots: int, effort: Effort
) -> dict[str, Results]:
    """Return what *lots* of processes, one after the other, had of each of *whats*."""
    found = []
    with _shop_and_pooler(drivers) as start:
        for _ in range(lots):
            with start() as side_by_side:
                found.append(_measure(side_by_side, whats, threads, effort))
    return {
        what: {way: median_of([lot[what][way] for lot in found]) for way in found[0][what]}
        for what in whats
    }


def _measure(
    side_by_side: SideBySide, whats: list[str], threads: int, effort: Effort
) -> dict[str, Results]:
    # Every thread connects to PgBouncer, so that nobody's first time is measured.
    side_by_side.compare("two", threads, 0.1, 1)
    found: dict[str, Results] = {}
    for what in whats:
        number, full = (threads, (1.0, 1)) if what == WAITING else (1, (0.2, 3))
        seconds, rounds = effort.pick(full, (0.05, 1))
        found[what] = side_by_side.compare(what, number, seconds, rounds)
    return found


@contextmanager
def _shop_and_pooler(
    drivers: list[str],
) -> Iterator[Callable[[], AbstractContextManager[SideBySide]]]:
    """Run what the ways lead to; yield what starts them all, in new processes each time."""
    with ExitStack() as stack:
        stop = stack.enter_context(Stop())
        server = stack.enter_context(shop(stop))
        params = {**server.tcp_params, "password": ""}
        through: dict[str, str] | None = None
        program = pgbouncer.program()
        if program is not None:
            clients = 2 * THREADS * len(drivers)
            through = stack.enter_context(
                pgbouncer.running(program, params, clients=clients, size=SIZE)
            )
        ways = list(_ways(drivers, through))
        yield lambda: _started(ways, params, stop)


@contextmanager
def _started(ways: list[Way], params: dict[str, str], stop: Stop) -> Iterator[SideBySide]:
    with Children(stop) as children:
        try:
            yield SideBySide(ways, params, children)
        except Exception as error:
            error.add_note(children.last_words())
            raise


def _ways(drivers: list[str], through: Mapping[str, str] | None) -> Iterator[Way]:
    for driver in drivers:
        engine = f"multipool_django.{driver}"
        for hold in ("transaction", "request"):
            yield Way(f'hold="{hold}"', driver, engine, {"max_size": SIZE, "hold": hold})
        quiet = {"max_size": SIZE, "hold": "transaction", **UNWATCHED}
        yield Way(QUIET, driver, engine, quiet)
        if through is not None:
            there: dict[str, Any] = {
                "HOST": through["host"],
                "PORT": through["port"],
                "CONN_MAX_AGE": None,
                "DISABLE_SERVER_SIDE_CURSORS": True,
            }
            without_us = ways.persistent(driver).engine if driver in DJANGOS else engine
            yield Way(PGBOUNCER, driver, without_us, database=there)


# -- what is told of it --------------------------------------------------------------------------


def _table(title: str, found: Results) -> Table:
    rows = [
        [
            way.driver,
            way.label,
            f"{figures.per_second:,.0f}",
            f"{figures.median * 1e3:.2f}",
            f"{figures.longest * 1e3:.0f}",
        ]
        for way, figures in found.items()
    ]
    return Table(title, ["driver", "way", "per s", "median ms", "longest ms"], rows)


def _by_driver(found: Results) -> dict[str, dict[str, Figures]]:
    drivers: dict[str, dict[str, Figures]] = {}
    for way, figures in found.items():
        drivers.setdefault(way.driver, {})[way.label] = figures
    return drivers


def _waiting_verdicts(where: str, found: Results) -> Iterator[Verdict]:
    for driver, by_way in _by_driver(found).items():
        ours = by_way[OURS]
        gain = ours.per_second / by_way[KEPT].per_second
        yield Verdict(f"{where}{driver}: throughput by that of {KEPT}", gain, at_least=8)
        yield Verdict(f"{where}{driver}: longest request", ours.longest, at_most=1, unit=" s")
        yield from _pooler_verdicts(f"{where}{driver}", by_way)


def _busy_verdicts(words: str, found: Results) -> Iterator[Verdict]:
    for driver, by_way in _by_driver(found).items():
        ratio = by_way[OURS].per_second / by_way[KEPT].per_second
        yield Verdict(f"{words}, {driver}: rate by that of {KEPT}", ratio, at_least=0.95)
        yield from _pooler_verdicts(f"{words}, {driver}", by_way)


def _pooler_verdicts(what: str, by_way: Mapping[str, Figures]) -> Iterator[Verdict]:
    if PGBOUNCER in by_way:
        theirs = by_way[PGBOUNCER].per_second
        for label in (OURS, QUIET):
            ratio = by_way[label].per_second / theirs
            yield Verdict(f"{what}: {label}, rate by that of {PGBOUNCER}", ratio, at_least=1)
