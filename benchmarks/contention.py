"""What do 32 threads on 10 connections get, and does each get its turns?

Each thread borrows, holds the connection for a while as a query would (asleep, so without
the interpreter's lock), gives it back and starts again. Throughput alone would hide that some
threads hardly ever get a connection, so the longest wait and each thread's share are told too.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from benchmarks.measure import Effort, at_once, fill, interleave
from benchmarks.peers import (
    DBUtils,
    Django,
    Multipool,
    MultipoolInline,
    MultipoolPsycopg,
    Options,
    Peer,
    PsycopgPool,
    SQLAlchemy,
    installed,
)
from benchmarks.report import Report, Table, Verdict, milliseconds
from multipool.testing.server import embedded_server

THREADS: Final = 32
SIZE: Final = 10
#: Seconds for which a connection is held.
HOLDS: Final = (1e-3, 50e-6)

PEERS: tuple[type[Peer], ...] = (
    Multipool,
    MultipoolPsycopg,
    MultipoolInline,
    PsycopgPool,
    SQLAlchemy,
    DBUtils,
    Django,
)


@dataclass(frozen=True)
class Crowd:
    """What one run of all threads gave."""

    #: Leases a second, of all threads together.
    rate: float
    #: The busiest thread's leases by the idlest one's.
    unfairness: float
    #: Seconds from asking to getting.
    longest_wait: float
    median_wait: float


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    seconds, rounds = effort.pick((2.0, 7), (0.1, 1))
    tables, verdicts = [], []
    with embedded_server() as server, ExitStack() as pools:
        peers = {
            peer.label: pools.enter_context(peer(server.params, Options(size=SIZE)))
            for peer in installed(PEERS)
        }
        for peer in peers.values():
            fill(peer, SIZE)
        for hold in HOLDS:
            results = interleave(
                {name: _Crowding(peer, hold, seconds) for name, peer in peers.items()}, rounds
            )
            crowds = {name: _median(found) for name, found in results.items()}
            ideal = (THREADS / SIZE - 1) * _real_hold(hold)
            tables.append(_table(crowds, hold, ideal))
            verdicts += _verdicts(crowds, hold, ideal)
    return Report(
        "Contention",
        f"What do {THREADS} threads on {SIZE} connections get, and does each get its turns?",
        tables,
        verdicts,
    )


class _Crowding:
    """One run of all threads on *peer*."""

    def __init__(self, peer: Peer, hold: float, seconds: float) -> None:
        self._peer = peer
        self._hold = hold
        self._seconds = seconds

    def __call__(self) -> Crowd:
        begun = time.perf_counter()
        waits = at_once(THREADS, self._borrow)
        took = time.perf_counter() - begun
        shares = [len(share) for share in waits]
        everything = [wait for share in waits for wait in share]
        return Crowd(
            rate=len(everything) / took,
            # One that never got a turn at all counts as one that got one.
            unfairness=max(shares) / max(min(shares), 1),
            longest_wait=max(everything),
            median_wait=statistics.median(everything),
        )

    def _borrow(self, _: int) -> list[float]:
        peer, hold = self._peer, self._hold
        waits = []
        now = time.perf_counter()
        end = now + self._seconds
        while now < end:
            asked = now
            conn = peer.getconn()
            waits.append(time.perf_counter() - asked)
            time.sleep(hold)
            peer.putconn(conn)
            now = time.perf_counter()
        return waits


def _real_hold(hold: float) -> float:
    """Return how long a sleep of *hold* seconds takes on this machine."""
    sleeps = []
    for _ in range(100):
        begun = time.perf_counter()
        time.sleep(hold)
        sleeps.append(time.perf_counter() - begun)
    return statistics.median(sleeps)


def _median(crowds: Sequence[Crowd]) -> Crowd:
    return Crowd(
        rate=statistics.median(crowd.rate for crowd in crowds),
        unfairness=statistics.median(crowd.unfairness for crowd in crowds),
        longest_wait=statistics.median(crowd.longest_wait for crowd in crowds),
        median_wait=statistics.median(crowd.median_wait for crowd in crowds),
    )


def _table(crowds: Mapping[str, Crowd], hold: float, ideal: float) -> Table:
    ours = crowds[Multipool.label].rate
    rows = [
        [
            name,
            f"{crowd.rate:.0f}",
            f"{crowd.rate / ours:.2f}",
            f"{crowd.unfairness:.2f}",
            milliseconds(crowd.median_wait),
            milliseconds(crowd.longest_wait),
        ]
        for name, crowd in sorted(crowds.items(), key=lambda item: -item[1].rate)
    ]
    return Table(
        f"Held {hold * 1e6:g} µs",
        [
            "pool",
            "leases/s",
            f"times {Multipool.label}",
            "busiest/idlest",
            "median wait, ms",
            "longest wait, ms",
        ],
        rows,
        [
            f"The ideal wait, if all took turns and the pool cost nothing: {ideal * 1e3:.2f} ms.",
            "The longest wait is the median of the rounds' longest.",
            "psycopg2.pool is not here: it raises instead of waiting.",
        ],
    )


def _verdicts(crowds: Mapping[str, Crowd], hold: float, ideal: float) -> list[Verdict]:
    ours = crowds[Multipool.label]
    peers = {name: crowd for name, crowd in crowds.items() if not name.startswith(Multipool.label)}
    held = f"held {hold * 1e6:g} µs"
    found = []
    if hold == HOLDS[0] and peers:
        fastest = max(peers, key=lambda name: peers[name].rate)
        found.append(
            Verdict(
                f"throughput by that of the fastest peer, {fastest}, {held}",
                ours.rate / peers[fastest].rate,
                at_least=1,
            )
        )
    if hold == HOLDS[1] and PsycopgPool.label in peers:
        found.append(
            Verdict(
                f"throughput by {PsycopgPool.label}'s, {held}",
                ours.rate / peers[PsycopgPool.label].rate,
                at_least=1.4,
            )
        )
    return [
        *found,
        Verdict(f"busiest thread by idlest, {held}", ours.unfairness, at_most=1.3),
        Verdict(f"longest wait by the ideal one, {held}", ours.longest_wait / ideal, at_most=4),
    ]
