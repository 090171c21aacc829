"""What does a pool do while its server is away, and after it has come back?

Fifty users share ten connections: each borrows one, runs a query, gives it back, pauses and
starts again, whether that worked or not. The server crashes and is started again four
seconds later. A proxy before it counts the connection attempts.

Then the server is well, but lets nobody in: see `benchmarks.refusals`.
"""

from __future__ import annotations

import statistics
import threading
import time
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from benchmarks import refusals
from benchmarks.measure import Effort, execute
from benchmarks.peers import (
    DBUtils,
    Django,
    Multipool,
    MultipoolInline,
    MultipoolPg8000,
    MultipoolPsycopg,
    Options,
    Peer,
    PsycopgPool,
    SQLAlchemy,
    installed,
    of_ours,
)
from benchmarks.report import Report, Table, Verdict, seconds
from multipool.testing.proxy import Proxy
from multipool.testing.server import EmbeddedServer, embedded_server

USERS: Final = 50
SIZE: Final = 10
#: Seconds that a user pauses between two requests, the failed ones included.
PAUSE: Final = 0.01
#: The share of the old rate that counts as recovered, and the seconds over which it is taken.
RECOVERED: Final = 0.8
WINDOW: Final = 0.1
#: Seconds that a pool is given to recover.
PATIENCE: Final = 5.0

PEERS: tuple[type[Peer], ...] = (
    Multipool,
    MultipoolPsycopg,
    MultipoolPg8000,
    MultipoolInline,
    PsycopgPool,
    SQLAlchemy,
    DBUtils,
    Django,
)


@dataclass(frozen=True)
class Outage:
    """What one outage was like."""

    #: Connection attempts a second while the server was away.
    attempts: float
    #: Errors that users got, from the crash until the end.
    errors: int
    #: Successes a second before the crash.
    rate: float
    #: Seconds from the server's return to `RECOVERED` of the rate; infinite if never.
    recovery: float


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    with embedded_server(max_connections=200) as server:
        outages = {
            peer.label: _median([_outage(peer, server, effort) for _ in range(effort.pick(3, 1))])
            for peer in installed(effort.pick(PEERS, PEERS[:1]))
        }
    refused = refusals.measure(effort)
    return Report(
        "Outage",
        "What does a pool do while its server is away, and after it has come back?",
        [
            _outage_table(outages, effort),
            *(refusals.table(wrong, found) for wrong, found in refused.items()),
        ],
        [
            *_verdicts(of_ours(outages)),
            *(
                verdict
                for wrong, found in refused.items()
                for verdict in refusals.verdicts(wrong, of_ours(found))
            ),
        ],
    )


def _outage(kind: type[Peer], server: EmbeddedServer, effort: Effort) -> Outage:
    before, down, after = effort.pick((2.0, 4.0, PATIENCE), (0.3, 0.3, 0.5))
    options = Options(size=SIZE, careful=True)
    with Proxy(server.params) as proxy, kind(proxy.params, options) as pool, _Users(pool) as users:
        time.sleep(before)
        crashed = time.monotonic()
        server.stop("immediate")
        attempts = proxy.connections
        stopped = time.monotonic()
        time.sleep(down)
        away = time.monotonic() - stopped
        attempts = proxy.connections - attempts
        server.start()
        back = time.monotonic()
        time.sleep(after)
        users.stop()
    begun = crashed - before / 2  # the first half is for warming up
    rate = users.between(begun, crashed) / (crashed - begun)
    return Outage(
        attempts=attempts / away,
        errors=len([at for at in users.failures if at >= crashed]),
        rate=rate,
        recovery=users.recovery(back, rate),
    )


class _Users:
    """People who use a pool, each in a thread, and when they succeeded and failed."""

    def __init__(self, pool: Peer) -> None:
        self._pool = pool
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._use, daemon=True) for _ in range(USERS)]
        self.successes: list[float] = []
        self.failures: list[float] = []

    def __enter__(self) -> _Users:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let the users finish what they do."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(PATIENCE)
        self.successes.sort()

    def between(self, begin: float, end: float) -> int:
        """Return how many successes there were from *begin* to *end*. Call after `stop`."""
        return bisect_left(self.successes, end) - bisect_left(self.successes, begin)

    def recovery(self, back: float, rate: float) -> float:
        """Return how many seconds after *back* the `RECOVERED` share of *rate* was reached."""
        needed = RECOVERED * rate * WINDOW
        for at in self.successes[bisect_left(self.successes, back) :]:
            if self.between(at, at + WINDOW) >= needed:
                return at - back
        return float("inf")

    def _use(self) -> None:
        while not self._stopped.is_set():
            try:
                self._request()
            except Exception:
                self.failures.append(time.monotonic())
            else:
                self.successes.append(time.monotonic())
            time.sleep(PAUSE)

    def _request(self) -> None:
        pool = self._pool
        conn = pool.getconn()
        try:
            execute(conn, "select 1")
            pool.raw(conn).rollback()
        except BaseException:
            with suppress(Exception):
                pool.putconn(conn)
            raise
        pool.putconn(conn)


def _median(outages: Sequence[Outage]) -> Outage:
    return Outage(
        attempts=statistics.median(outage.attempts for outage in outages),
        errors=round(statistics.median(outage.errors for outage in outages)),
        rate=statistics.median(outage.rate for outage in outages),
        recovery=statistics.median(outage.recovery for outage in outages),
    )


def _outage_table(outages: Mapping[str, Outage], effort: Effort) -> Table:
    rows = [
        [
            name,
            f"{outage.attempts:.1f}",
            str(outage.errors),
            f"{outage.rate:.0f}",
            seconds(outage.recovery),
        ]
        for name, outage in outages.items()
    ]
    return Table(
        f"{USERS} users on {SIZE} connections, the server away for {effort.pick(4, 0.3)} s",
        ["pool", "attempts/s", "errors", "requests/s before", "s until 80 % of that"],
        rows,
        [
            "Each pool with its own test for dead connections on.",
            "psycopg2.pool is not here: it raises instead of waiting.",
        ],
    )


def _verdicts(ours: Collection[Outage]) -> list[Verdict]:
    """Return what the worst of *ours* was like, whatever its driver."""
    attempts = max(outage.attempts for outage in ours)
    errors = max(outage.errors for outage in ours)
    recovery = max(outage.recovery for outage in ours)
    return [
        Verdict("connection attempts a second while away", attempts, at_most=10),
        Verdict("errors: only those who were in a query", errors, at_most=SIZE),
        Verdict("until 80 % of the old rate", recovery, at_most=0.5, unit=" s"),
    ]
