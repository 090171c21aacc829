"""Do four processes keep to one budget of connections, and what does it cost them?

Four processes of ten threads each share twelve connections: by `budget`, or by a PgBouncer with a
pool of twelve. The load moves from one process to the next, one is killed and started again; and
all the while the server counts the connections every 10 ms.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.budget_fleet import Count, Worker

from benchmarks.measure import Effort
from benchmarks.report import Report, Table, Verdict
from multipool import get_driver
from multipool.budget.sharing import PULSE
from multipool.fleet.installing import script
from multipool.testing.server import EmbeddedServer, embedded_server
from tests import pgbouncer

DRIVER: Final = "psycopg2"
PROCESSES: Final = 4
THREADS: Final = 10
BUDGET: Final = 12
ROLE: Final = "app"
#: What one query takes on the server, in seconds.
QUERIES: Final = (0.002, 0.01)

OURS, PEER = "budget", "PgBouncer"


@dataclass
class Run:
    """What one way of sharing did in one run of the whole play."""

    #: By scene: the queries each second, and the longest that one took, waiting included.
    rates: dict[str, float] = field(default_factory=dict)
    longest: dict[str, float] = field(default_factory=dict)
    #: Whether each process that was to be served was.
    served: bool = True
    most: int = 0
    looks: int = 0
    shares: list[tuple[float, dict[int, int]]] = field(default_factory=list)
    #: In the order in which they were started.
    pids: list[int] = field(default_factory=list)
    #: When each scene began.
    begun: list[tuple[float, str]] = field(default_factory=list)


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    seconds, rounds = effort.pick((4.0, 1), (0.3, 1))
    tables: list[Table] = []
    verdicts: list[Verdict] = []
    for query in effort.pick(QUERIES, QUERIES[:1]):
        runs: dict[str, list[Run]] = {}
        for _ in range(rounds):
            for name, way in WAYS.items():
                with way() as (server, params, options):
                    runs.setdefault(name, []).append(_play(server, params, options, query, seconds))
        tables += _tables(query, runs)
        verdicts += _verdicts(query, runs)
    return Report("Budget", __doc__.splitlines()[0] if __doc__ else "", tables, verdicts)


# -- the ways --------------------------------------------------------------------------------

Way = Iterator[tuple[EmbeddedServer, Mapping[str, str], dict[str, Any]]]


@contextmanager
def _server() -> Iterator[tuple[EmbeddedServer, dict[str, str]]]:
    with embedded_server(tcp=True) as server:
        server.psql(f"create role {ROLE} login")
        server.psql(script([ROLE]))
        yield server, {**server.tcp_params, "user": ROLE}


@contextmanager
def _ours() -> Way:
    with _server() as (server, params):
        yield server, params, {"budget": BUDGET, "fleet": {"app": "shop"}, "max_size": THREADS}


@contextmanager
def _peer() -> Way:
    program = pgbouncer.program()
    if program is None:
        raise RuntimeError("install pgbouncer (apt-get install pgbouncer)")
    clients = 2 * PROCESSES * THREADS
    with (
        _server() as (server, params),
        pgbouncer.running(program, params, clients=clients, size=BUDGET) as through,
    ):
        yield server, through, {"max_size": THREADS}


WAYS: Final[dict[str, Callable[[], Any]]] = {OURS: _ours, PEER: _peer}


# -- the play --------------------------------------------------------------------------------


def _play(
    server: EmbeddedServer,
    params: Mapping[str, str],
    options: dict[str, Any],
    query: float,
    seconds: float,
) -> Run:
    """Start them, move the load about, kill one and start it again."""
    found = Run()
    workers: list[Worker] = []
    began = time.monotonic()

    def scene(name: str, active: int | None = None) -> None:
        """Let all work, or the process of that number alone, for a while."""
        busy = [active is None or active == number for number in range(len(workers))]
        for worker in workers:
            worker.tell()
        found.begun.append((time.monotonic() - began, name))
        for worker, is_busy in zip(workers, busy, strict=True):
            worker.load(THREADS if is_busy else 0, query)
        since = time.monotonic()
        time.sleep(seconds)
        told = [worker.tell() for worker in workers]
        took = time.monotonic() - since
        found.rates[name] = sum(one["done"] for one in told) / took
        found.longest[name] = max(one["longest"] for one in told)
        found.served = found.served and all(
            one["done"] for one, is_busy in zip(told, busy, strict=True) if is_busy
        )

    def start() -> None:
        workers.append(Worker(params, DRIVER, {**options, "name": "shop"}, THREADS))
        found.pids.append(workers[-1].pid)

    with ExitStack() as stack:
        count = stack.enter_context(Count(get_driver(DRIVER), server.params, ROLE))
        began = time.monotonic()
        stack.callback(lambda: [worker.kill() for worker in workers])
        for _ in range(PROCESSES):
            start()
        for worker in workers:
            worker.ready()
        scene("all start")
        for number in range(PROCESSES):
            scene(f"only {number + 1}", number)
        scene("all")
        workers.pop().kill()
        scene("one killed")
        start()
        workers[-1].ready()
        scene("and restarted")
    found.most, found.looks, found.shares = count.most, count.looks, count.shares
    return found


# -- what is said of it ----------------------------------------------------------------------


def _tables(query: float, runs: Mapping[str, list[Run]]) -> list[Table]:
    title = (
        f"{PROCESSES} processes of {THREADS} threads, {BUDGET} connections,"
        f" queries of {1000 * query:g} ms"
    )
    rows = []
    for scene in runs[OURS][0].rates:
        rates = {name: _rate(runs[name], scene) for name in runs}
        longest = {name: max(run.longest[scene] for run in runs[name]) for name in runs}
        rows.append(
            [
                scene,
                *(f"{rates[name]:.0f}" for name in runs),
                f"{rates[OURS] / rates[PEER]:.2f}",
                *(f"{1000 * longest[name]:.0f} ms" for name in runs),
            ]
        )
    columns = ["", *(f"queries/s, {n}" for n in runs), "ratio", *(f"longest, {n}" for n in runs)]
    notes = [
        f"{name}: at most {max(run.most for run in mine)} on the server in"
        f" {sum(run.looks for run in mine)} counts"
        for name, mine in runs.items()
    ]
    return [Table(title, columns, rows, notes), _shares(query, runs[OURS][0])]


def _shares(query: float, found: Run) -> Table:
    """Return each process's share over time, with what was going on."""
    scenes = list(found.begun)
    rows = []
    doing = "starting"
    for seconds, shares in found.shares:
        while scenes and scenes[0][0] <= seconds:
            doing = scenes.pop(0)[1]
        cells = [str(shares[pid]) if pid in shares else "" for pid in found.pids]
        row = [f"{seconds:.1f} s", *cells, doing]
        if not rows or rows[-1][1:] != row[1:]:
            rows.append(row)
    names = [f"process {number + 1}" for number in range(len(found.pids) - 1)]
    return Table(
        f"Their shares, with queries of {1000 * query:g} ms; a line for each change",
        ["", *names, "restarted", "meanwhile"],
        rows,
    )


def _rate(runs: list[Run], scene: str) -> float:
    return statistics.median(run.rates[scene] for run in runs)


def _verdicts(query: float, runs: Mapping[str, list[Run]]) -> list[Verdict]:
    words = f"queries of {1000 * query:g} ms"
    total = {name: sum(_rate(runs[name], scene) for scene in runs[name][0].rates) for name in runs}
    ours = runs[OURS]
    return [
        Verdict(f"connections on the server, {words}", max(one.most for one in ours),
                at_most=BUDGET),
        Verdict(f"processes served, {words}", min(one.served for one in ours), at_least=1),
        Verdict(f"throughput, of PgBouncer's, {words}", total[OURS] / total[PEER], at_least=0.9),
        Verdict(f"longest wait, {words}", max(max(one.longest.values()) for one in ours),
                at_most=2 * PULSE + query, unit=" s"),
    ]  # fmt: skip
