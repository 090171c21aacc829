"""Who notices that the idle connections were killed?

Ten idle connections are ended on the server, as a restart, an administrator or a timeout
does it. Then ten are borrowed, each to run one query.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from benchmarks.measure import Effort, execute, fill, interleave
from benchmarks.peers import (
    DBUtils,
    Django,
    Multipool,
    MultipoolInline,
    MultipoolPg8000,
    MultipoolPsycopg,
    Options,
    Peer,
    Psycopg2Pool,
    PsycopgPool,
    SQLAlchemy,
    installed,
    of_ours,
)
from benchmarks.report import Report, Table, Verdict, milliseconds
from multipool.testing.server import EmbeddedServer, embedded_server

SIZE: Final = 10
#: Seconds from the kill to the first checkout, in which the pool may notice.
PAUSE: Final = 0.1

PEERS: tuple[type[Peer], ...] = (
    Multipool,
    MultipoolPsycopg,
    MultipoolPg8000,
    MultipoolInline,
    PsycopgPool,
    SQLAlchemy,
    DBUtils,
    Psycopg2Pool,
    Django,
)


@dataclass(frozen=True)
class Aftermath:
    """What ten borrowers got."""

    errors: int
    seconds: float


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    with embedded_server() as server:
        timeout = effort.pick(5.0, 1.0)
        subjects = {
            f"{peer.label}, {peer.care}" if careful else peer.label: _Killing(
                peer, Options(size=SIZE, careful=careful, timeout=timeout), server
            )
            for peer in installed(PEERS)
            for careful in ([False, True] if peer.care else [False])
        }
        results = interleave(subjects, effort.pick(3, 1), warm_up=False)
    ours = [found for rounds in of_ours(results) for found in rounds]
    return Report(
        "Killed while idle",
        "Who notices that the idle connections were killed?",
        [
            Table(
                f"{SIZE} idle connections killed, then {SIZE} borrowed for a query each",
                ["pool", "errors", "ms"],
                [_row(name, found) for name, found in results.items()],
                [
                    "Errors: the most in any round. Milliseconds: the median of the rounds.",
                    f"A borrower waits for {timeout:g} s at most.",
                ],
            )
        ],
        [
            Verdict("errors", max(found.errors for found in ours), at_most=0),
            Verdict(
                "until all had run", max(found.seconds for found in ours), at_most=1, unit=" s"
            ),
        ],
    )


class _Killing:
    """Fill a pool, kill what is idle in it, borrow."""

    def __init__(self, peer: type[Peer], options: Options, server: EmbeddedServer) -> None:
        self._peer = peer
        self._options = options
        self._server = server

    def __call__(self) -> Aftermath:
        with self._peer(self._server.params, self._options) as pool:
            kills = [f"select pg_terminate_backend({pid}, 5000)" for pid in fill(pool, SIZE)]
            self._server.psql(";".join(kills))
            time.sleep(PAUSE)
            begun = time.perf_counter()
            lent, errors = _borrow(pool)
            took = time.perf_counter() - begun
            for conn in lent:
                with suppress(Exception):  # it may be dead: that was counted
                    pool.raw(conn).rollback()
                with suppress(Exception):
                    pool.putconn(conn)
        return Aftermath(errors, took)


def _borrow(pool: Peer) -> tuple[list[object], int]:
    """Borrow all connections at once and query; return them and how many failed."""
    lent, errors = [], 0
    for _ in range(SIZE):
        try:
            conn = pool.getconn()
            lent.append(conn)
            execute(conn, "select 1")
        except Exception:
            errors += 1
    return lent, errors


def _row(name: str, found: Sequence[Aftermath]) -> list[str]:
    seconds = statistics.median(one.seconds for one in found)
    return [name, str(max(one.errors for one in found)), milliseconds(seconds)]
