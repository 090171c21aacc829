"""How long does the page take, with 200 processes that hold 2,000 connections?"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection
from threading import Thread
from typing import Final
from uuid import uuid4

from benchmarks.fleet import DRIVER, HOLDERS, PROCESSES, QUERIES, report_of
from benchmarks.measure import Effort, interleave
from benchmarks.report import Report, Table, Verdict
from multipool import Pool, fleet, get_driver
from multipool.dashboard.latest import FRESH_FOR, Latest
from multipool.dashboard.page import Viewer, page
from multipool.dashboard.server import listen
from multipool.dashboard.site import Site
from multipool.dashboard.source import PoolSource
from multipool.dashboard.wsgi import WSGIDashboard
from multipool.fleet.heart import BEAT
from multipool.fleet.installing import script
from multipool.testing.server import EmbeddedServer, embedded_server

#: Seconds, where nothing that was read for another viewer can be shown.
TARGET: Final = 0.3

WHOLE: Final = "the page, over HTTP"


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    with embedded_server() as server:
        server.psql(script())
        _report_all(server)
        with Pool(server.params, driver=DRIVER, max_size=2) as pool:
            figures = _timed(pool, effort)
    rows = [
        [name, f"{1000 * statistics.median(times):.0f} ms", f"{1000 * max(times):.0f} ms"]
        for name, times in figures.items()
    ]
    table = Table(
        f"{PROCESSES} processes with {HOLDERS} holders, all stacks, {QUERIES} queries each",
        ["", "median", "longest"],
        rows,
    )
    verdict = Verdict("the page", statistics.median(figures[WHOLE]), at_most=TARGET, unit=" s")
    return Report("Dashboard", (__doc__ or "").strip(), [table], [verdict])


def _report_all(server: EmbeddedServer) -> None:
    driver = get_driver(DRIVER)
    conn = driver.connect(server.params, 10)
    try:
        for _ in range(PROCESSES):
            driver.ask(conn, BEAT, json.dumps(report_of(str(uuid4()), 600)))
    finally:
        driver.close(conn)


def _timed(pool: Pool, effort: Effort) -> dict[str, list[float]]:
    """Return the seconds of each part, and of the whole."""
    read = partial(fleet.read, pool, watch=0)
    seen = Latest(read).get()
    site = Site(PoolSource(pool), token=None, may_end=True, raw_sql=False)
    with listen("127.0.0.1", 0, WSGIDashboard(site)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            return interleave(
                {
                    "reading the fleet": _seconds(read),
                    "drawing the page": _seconds(lambda: page(seen, Viewer("anybody"))),
                    WHOLE: _seconds(partial(_get, server.address), after=FRESH_FOR),
                },
                effort.pick(30, 1),
            )
        finally:
            server.shutdown()
            thread.join()


def _seconds(action: Callable[[], object], after: float = 0.0) -> Callable[[], float]:
    """Return what times *action*, *after* so many seconds in which nothing happens."""

    def timed() -> float:
        time.sleep(after)
        began = time.perf_counter()
        action()
        return time.perf_counter() - began

    return timed


def _get(address: str) -> None:
    """Ask for the page."""
    client = HTTPConnection(address, timeout=30)
    try:
        client.request("GET", "/")
        answer = client.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"the dashboard answered {answer.status}")
    finally:
        client.close()
