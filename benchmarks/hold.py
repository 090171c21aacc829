"""What is gained by holding a connection only while it is needed?

A hundred threads, five connections: a request asks, waits 50 ms for something else, asks again.
Django keeps its connection meanwhile (``hold="request"``), or does not (``"transaction"``), or
has PgBouncer lend it by the transaction, to which each thread stays connected: as a site has it
without us, by Django's own backend where it has one for the driver. Nobody watches what goes
through PgBouncer there, so ours is measured as it comes, and once more with that turned off. And
the price: the same without the wait, and a page of the demo's shop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any, Final

from benchmarks.django_views import shop
from benchmarks.measure import Effort
from benchmarks.report import Report, Table, Verdict
from multipool_django.demo import ways
from multipool_django.demo.children import Children
from multipool_django.demo.load import Figures
from multipool_django.demo.side_by_side import SideBySide
from multipool_django.demo.signals import Stop
from multipool_django.demo.ways import THREADS, Way
from tests import pgbouncer

Results = Mapping[Way, Figures]

#: The connections to the server, however they are shared.
SIZE: Final = 5
DRIVERS: Final = ("psycopg2", "psycopg", "pg8000")
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
    tables: list[Table] = []
    verdicts: list[Verdict] = []
    drivers = [driver for driver in DRIVERS if find_spec(driver)]
    with _side_by_side(drivers) as side_by_side:
        seconds, rounds = effort.pick((2.0, 5), (0.1, 1))
        threads = effort.pick(THREADS, 10)
        # Every thread connects to PgBouncer, so that nobody's first time is measured.
        side_by_side.compare("two", threads, 0.2, 1)
        found = side_by_side.compare(WAITING, threads, seconds, rounds)
        title = f"two queries and 50 ms between, {threads} threads, {SIZE} connections"
        tables.append(_table(title, found))
        verdicts += _waiting_verdicts(found)
        seconds, rounds = effort.pick((0.3, 15), (0.05, 1))
        for what, words in BUSY.items():
            found = side_by_side.compare(what, 1, seconds, rounds)
            tables.append(_table(f"{words}, 1 thread", found))
            verdicts += _busy_verdicts(words, found)
    return Report(
        "Hold",
        "What is gained by holding a connection only while it is needed?",
        tables,
        verdicts,
    )


@contextmanager
def _side_by_side(drivers: list[str]) -> Iterator[SideBySide]:
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
        children = stack.enter_context(Children(stop))
        try:
            yield SideBySide(_ways(drivers, through), params, children)
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


def _waiting_verdicts(found: Results) -> Iterator[Verdict]:
    for driver, by_way in _by_driver(found).items():
        ours = by_way[OURS]
        gain = ours.per_second / by_way[KEPT].per_second
        yield Verdict(f"{driver}: throughput by that of {KEPT}", gain, at_least=8)
        yield Verdict(f"{driver}: longest request", ours.longest, at_most=1, unit=" s")
        yield from _pooler_verdicts(driver, by_way)


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
