"""What does the fleet cost the server, and does an application notice when its store is broken?

200 processes that beat with full details, as they do while somebody reads; and checkouts with
the fleet and without, in turns, while its table is locked, dropped, read-only, the server full
and the network silent.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from benchmarks.measure import Effort, at_once, interleave
from benchmarks.report import Report, Table, Verdict, microseconds
from multipool import Pool, get_driver
from multipool.fleet.detail import USAGES
from multipool.fleet.folding import STACKS, fold
from multipool.fleet.heart import BEAT, SWEEP, WATCHED, WRITES
from multipool.fleet.installing import script
from multipool.fleet.packing import pack
from multipool.fleet.reading import SNAPSHOT
from multipool.testing.proxy import Proxy
from multipool.testing.server import EmbeddedServer, embedded_server

DRIVER: Final = "psycopg2"
PROCESSES: Final = 200
HOLDERS: Final = 10  # of each process
FRAMES: Final = 24  # of each of a holder's four stacks
OWN: Final = 3  # of which no other stack has any
LOCKED: Final = "55P03"
QUERIES: Final = 50  # of each process
BUCKETS: Final = 20  # of each query's histogram
CONNECTIONS: Final = 10  # that carry the beats
THREADS: Final = 4  # that check out

WITH, WITHOUT = "with the fleet", "without"


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    cost, reading = _cost(effort)
    tables = [
        Table(
            f"{PROCESSES} processes with {HOLDERS} holders, all stacks, {QUERIES} queries each",
            ["", "of one server core"],
            [
                ["beats and sweeps", f"{100 * cost:.1f} %"],
                ["and a page that asks every 2 s", f"{100 * reading:.1f} %"],
            ],
        )
    ]
    verdicts = [Verdict("share of a server core", cost, at_most=0.05)]
    rows = []
    for trouble in TROUBLES:
        figures = _noticed(TROUBLES[trouble], effort)
        ratio = figures[WITH][0] / figures[WITHOUT][0]
        rows.append(
            [
                trouble,
                *(microseconds(p99) for p99, _ in (figures[WITH], figures[WITHOUT])),
                f"{ratio:.2f}",
                *(f"{1000 * most:.1f} ms" for _, most in (figures[WITH], figures[WITHOUT])),
            ]
        )
        verdicts.append(Verdict(f"p99 of a checkout, {trouble}", ratio, at_most=1.2))
    tables.append(
        Table(
            f"Checkouts by {THREADS} threads, a beat every second",
            ["the fleet's store", "p99 with", "p99 without", "ratio", "longest with", "without"],
            rows,
        )
    )
    return Report("Fleet", __doc__.splitlines()[0] if __doc__ else "", tables, verdicts)


# -- what it costs the server ----------------------------------------------------------------


def _cost(effort: Effort) -> tuple[float, float]:
    """Return the share of a core that the server needs, without and with somebody who reads."""
    every = max(WATCHED, PROCESSES / WRITES)
    seconds = effort.pick(40.0, 1.0)
    with embedded_server() as server:
        server.psql(script())
        ids = [str(uuid4()) for _ in range(PROCESSES)]
        return _share(server, ids, every, seconds), _share(server, ids, every, seconds, reads=True)


def _share(
    server: EmbeddedServer, ids: list[str], every: float, seconds: float, *, reads: bool = False
) -> float:
    """Return the share of a core that the server computes for *seconds*."""
    before, began = _cpu(server), time.perf_counter()
    stop = began + seconds
    tasks = beats_of(server, ids, every, stop)
    if reads:
        tasks.append(partial(_now_and_then, server, SNAPSHOT, WATCHED, stop, "false"))
    at_once(len(tasks), lambda number: tasks[number]())
    return (_cpu(server) - before) / (time.perf_counter() - began)


def beats_of(
    server: EmbeddedServer, ids: list[str], every: float, stop: float
) -> list[Callable[[], None]]:
    """Return tasks, to be run at once, that beat for *ids* until *stop*."""
    each = len(ids) // CONNECTIONS
    return [
        partial(_beat, server, ids[n * each : (n + 1) * each], every, stop)
        for n in range(CONNECTIONS)
    ]


def _beat(server: EmbeddedServer, ids: list[str], every: float, stop: float) -> None:
    """Beat for each of *ids* every so often, over one connection; sweep when told to."""
    driver = get_driver(DRIVER)
    conn = driver.connect(server.params, 10)
    reports = {one: json.dumps(report_of(one, every)) for one in ids}
    try:
        due = time.perf_counter()
        while True:
            for one in ids:
                due += every / len(ids)
                time.sleep(max(due - time.perf_counter(), 0))
                if time.perf_counter() >= stop:
                    return
                try:
                    answer = json.loads(driver.ask(conn, BEAT, reports[one]) or "{}")
                    if answer["sweep"]:
                        driver.ask(conn, SWEEP)
                except driver.Error as error:
                    if driver.sqlstate(error) != LOCKED:  # a beat that is skipped, as by a process
                        raise
    finally:
        driver.close(conn)


def report_of(process: str, every: float) -> dict[str, Any]:
    """Return what a process reports that has lent all it has, with every stack."""
    holders = [
        {
            "thread": "ThreadPoolExecutor-0_3",
            "seconds": 12.5,
            "idle_in_transaction": 3.5,
            **{place: _stack(f"{process[:4]}_{place}_{n}") for place in STACKS[:4]},
            "statement": "SELECT id, name, price FROM shop_product WHERE id = %s FOR UPDATE",
            "backend": 12345,
            "tag": None,
            "open_for": 100.0,
        }
        for n in range(HOLDERS)
    ]
    queries = [_query(process, n) for n in range(QUERIES)]
    totals = dict.fromkeys(["checkouts", "opened", "closed", "waited", "timeouts", "lost"], 12345)
    gauges = {"driver": DRIVER, "min_size": 0, "max_size": 10, "size": 10, "idle": 0, "used": 10}
    return {
        "id": process,
        "app": "shop",
        "host": "web1",
        "pid": 1,
        "uptime": 100,
        "every": every,
        "epoch": None,
        "backend": 1,
        "pools": {"default": {**gauges, "connecting": 0, "waiting": 0, "oldest_wait": 0}},
        "counters": {"default": totals},
        "detail": pack(
            fold(
                {
                    "default": {
                        "holders": holders,
                        "waiters": [],
                        "queries": queries,
                        "usage": [_usage(process, n) for n in range(USAGES)],
                    }
                }
            )
        ),
    }


def _query(process: str, number: int) -> dict[str, Any]:
    """Return one of the statements that every process executes, each as often as it likes."""
    chance = random.Random(f"{process}{number}")
    table = f"shop_table{number}"
    columns = [f'"{table}"."{name}"' for name in ("id", "name", "price", "created_at")]
    joined = f'INNER JOIN "shop_owner" ON ("{table}"."owner_id" = "shop_owner"."id")'
    statement = ["SELECT", ", ".join(columns), "FROM", f'"{table}"', joined, "WHERE name = %s"]
    first = chance.randrange(80, 120)
    counts = [chance.randrange(1, 5000) for _ in range(BUCKETS)]
    return {
        "statement": " ".join(statement),
        "site": f"/srv/shop/releases/20260101/shop/views.py:{number * 17} in view_{number}",
        "calls": sum(counts),
        "rows": chance.randrange(100_000),
        "errors": 0,
        "total": round(chance.uniform(1, 100), 6),
        "histogram": [first, *counts],
    }


def _usage(process: str, number: int) -> dict[str, Any]:
    """Return what one of the views that every process has held connections for."""
    held = round(random.Random(f"{process}{number}").uniform(10, 1000), 3)
    return {
        "kind": "view",
        "name": f"shop.views.view_{number}",
        "route": f"/shop/<slug:shop>/{number}/<int:pk>/",
        "hold": "request",
        "times": int(held * 7),
        "lasted": held,
        "held": held,
        "used": round(held / 3, 3),
    }


def _stack(own: str) -> list[str]:
    """Return a stack whose innermost frames are nobody else's."""
    return [
        f"/srv/shop/releases/20260101/shop/module_{n}.py:{n * 17} in {f'{own}_' * (n < OWN)}work"
        for n in range(FRAMES)
    ]


def _now_and_then(
    server: EmbeddedServer, sql: str, every: float, stop: float, *values: str
) -> None:
    driver = get_driver(DRIVER)
    conn = driver.connect(server.params, 10)
    try:
        while time.perf_counter() < stop:
            driver.ask(conn, sql, *values)
            time.sleep(max(min(every, stop - time.perf_counter()), 0))
    finally:
        driver.close(conn)


def _cpu(server: EmbeddedServer) -> float:
    """Return the seconds that all processes of the server have computed, the ended ones too."""
    root = str(server._process.pid) if server._process is not None else ""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # After the name, which may hold anything: state, parent, ..., times from the 12th.
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if stat.parent.name == root:
            ticks += sum(map(int, fields[11:15]))  # with those of the children that ended
        elif fields[1] == root:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


# -- whether it is noticed -------------------------------------------------------------------


class Scene:
    """A server, and the network to it."""

    def __init__(self, server: EmbeddedServer, proxy: Proxy) -> None:
        self.server = server
        self.proxy = proxy


@contextmanager
def _well(scene: Scene) -> Iterator[None]:
    yield


@contextmanager
def _locked(scene: Scene) -> Iterator[None]:
    driver = get_driver(DRIVER)
    conn = driver.connect(scene.server.params, 10)
    try:
        conn.cursor().execute("lock table multipool.process in access exclusive mode")
        yield
    finally:
        driver.close(conn)


@contextmanager
def _dropped(scene: Scene) -> Iterator[None]:
    scene.server.psql("drop table multipool.process")
    yield
    scene.server.psql(script())


@contextmanager
def _read_only(scene: Scene) -> Iterator[None]:
    setting = "default_transaction_read_only"
    scene.server.psql(f"alter system set {setting} = on")
    scene.server.psql("select pg_reload_conf()")
    yield
    scene.server.psql(f"alter system reset {setting}")
    scene.server.psql("select pg_reload_conf()")


@contextmanager
def _full(scene: Scene) -> Iterator[None]:
    scene.server.psql("alter database postgres connection limit 0")
    yield
    scene.server.psql("alter database postgres connection limit -1")


@contextmanager
def _silent(scene: Scene) -> Iterator[None]:
    scene.proxy.silence()
    yield
    scene.proxy.resume()


TROUBLES: Final[Mapping[str, Callable[[Scene], Any]]] = {
    "well": _well,
    "table locked": _locked,
    "table dropped": _dropped,
    "read-only": _read_only,
    "server full": _full,
    "network silent": _silent,
}


def _noticed(trouble: Callable[[Scene], Any], effort: Effort) -> dict[str, tuple[float, float]]:
    """Return the p99 and the longest of the seconds that a checkout takes, with and without."""
    seconds, rounds = effort.pick((0.5, 21), (0.1, 1))
    with ExitStack() as stack:
        server = stack.enter_context(embedded_server(tcp=True))
        server.psql(script())
        scene = Scene(server, stack.enter_context(Proxy(server.params)))
        pools = {
            name: stack.enter_context(_pool(scene, name, fleet))
            for name, fleet in ((WITH, {"every": 1}), (WITHOUT, False))
        }
        for pool in pools.values():
            held = [pool.getconn() for _ in range(THREADS + 1)]
            for conn in held:
                pool.putconn(conn)
        time.sleep(effort.pick(1.0, 0.0))  # until it beats
        with trouble(scene):
            found = interleave(
                {name: lambda pool=pool: _check_out(pool, seconds) for name, pool in pools.items()},
                rounds,
                warm_up=False,
            )
    return {
        name: (
            statistics.median(statistics.quantiles(times, n=100)[98] for times in turns),
            max(max(times) for times in turns),
        )
        for name, turns in found.items()
    }


def _pool(scene: Scene, name: str, fleet: Any) -> Pool:
    return Pool(
        scene.proxy.params, driver=DRIVER, max_size=THREADS + 1, timeout=5, name=name, fleet=fleet
    )


def _check_out(pool: Pool, seconds: float) -> list[float]:
    """Check out and return by several threads for so long; return what each checkout took."""
    times: list[float] = []
    lock = threading.Lock()
    stop = time.perf_counter() + seconds

    def work(_: int) -> None:
        mine = []
        while time.perf_counter() < stop:
            began = time.perf_counter()
            conn = pool.getconn()
            mine.append(time.perf_counter() - began)
            time.sleep(0.0005)
            pool.putconn(conn)
        with lock:
            times.extend(mine)

    at_once(THREADS, work)
    return times
