"""How soon do 10 threads have a connection each when there is none yet?

The line to the server takes 25 ms each way, as between two regions. The making of the pool
counts, so that one that opens its connections when it is made has no advantage. What the machine
itself allows, the same threads show that connect by the driver alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final

from benchmarks.measure import Effort, at_once, execute, interleave, medians
from benchmarks.peers import (
    DBUtils,
    Django,
    Multipool,
    MultipoolInline,
    MultipoolPsycopg,
    Options,
    Params,
    Peer,
    Psycopg2Pool,
    PsycopgPool,
    SQLAlchemy,
    installed,
)
from benchmarks.report import Report, Table, Verdict, milliseconds
from multipool.testing.proxy import Proxy
from multipool.testing.server import embedded_server

THREADS: Final = 10
#: Seconds, each way.
DELAY: Final = 0.025

PEERS: tuple[type[Peer], ...] = (
    Multipool,
    MultipoolPsycopg,
    MultipoolInline,
    PsycopgPool,
    SQLAlchemy,
    DBUtils,
    Psycopg2Pool,
    Django,
)


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    peers = installed(PEERS)
    with embedded_server() as server, Proxy(server.params, delay=DELAY) as proxy:
        subjects: dict[str, Callable[[], float]] = {
            _bare(peer.driver): _Connect(peer.driver, proxy.params) for peer in peers
        }
        alone = _ConnectAtOnce(Multipool.driver, proxy.params)
        subjects[_at_once(Multipool.driver)] = alone
        subjects |= {peer.label: _Burst(peer, proxy.params) for peer in peers}
        figures = medians(interleave(subjects, effort.pick(7, 1), warm_up=False))
    return Report(
        "Cold burst",
        f"How soon do {THREADS} threads have a connection each when there is none yet?",
        [_table(figures, peers)],
        [
            Verdict(
                f"{Multipool.label} by one bare connect",
                figures[Multipool.label] / figures[_bare(Multipool.driver)],
                at_most=1.1,
            )
        ],
    )


def _bare(driver: str) -> str:
    return f"one bare connect, {driver}"


def _at_once(driver: str) -> str:
    return f"{THREADS} bare connects at once, {driver}"


class _Connect:
    """Seconds of one connect by the driver alone."""

    def __init__(self, driver: str, params: Params) -> None:
        self._connect = import_module(driver).connect
        self._params = params

    def __call__(self) -> float:
        begun = time.perf_counter()
        conn = self._connect(**self._params)
        took = time.perf_counter() - begun
        conn.close()
        return took


class _ConnectAtOnce(_Connect):
    """Seconds until the last of as many threads has a connection of the driver's own."""

    def __call__(self) -> float:
        begun = time.perf_counter()
        made = at_once(THREADS, lambda _: (self._connect(**self._params), time.perf_counter()))
        for conn, _ in made:
            conn.close()
        return max(at for _, at in made) - begun


class _Burst:
    """Seconds from nothing until the last thread has its connection."""

    def __init__(self, peer: type[Peer], params: Params) -> None:
        self._peer = peer
        self._params = params

    def __call__(self) -> float:
        begun = time.perf_counter()
        with self._peer(self._params, Options(size=THREADS)) as pool:
            lent = at_once(THREADS, lambda _: (pool.getconn(), time.perf_counter()))
            took = max(at for _, at in lent) - begun
            pids = set()
            for conn, _ in lent:
                pids.add(execute(conn, "select pg_backend_pid()"))
                pool.raw(conn).rollback()
                pool.putconn(conn)
        if len(pids) != THREADS:
            raise RuntimeError(f"{self._peer.label} gave {THREADS} threads {len(pids)} connections")
        return took


def _table(figures: Mapping[str, float], peers: list[type[Peer]]) -> Table:
    bare = {peer.label: figures[_bare(peer.driver)] for peer in peers}
    bare[_at_once(Multipool.driver)] = figures[_bare(Multipool.driver)]
    rows = [
        [name, milliseconds(figure), f"{figure / bare.get(name, figure):.2f}"]
        for name, figure in sorted(figures.items(), key=lambda item: item[1])
    ]
    round_trip = f"{2 * DELAY * 1e3:g} ms"
    return Table(
        f"{THREADS} threads at once, an empty pool, a round trip of {round_trip}",
        ["", "ms", "times a bare connect"],
        rows,
        ["psycopg2.pool opens all its connections when it is made, one after the other."],
    )
