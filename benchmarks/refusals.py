"""What does a pool do when its server answers, but will never let it in?

A wrong password, and a database that does not exist. A proxy before the server counts the
connection attempts: a storm of them locks accounts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.measure import Effort
from benchmarks.peers import (
    DBUtils,
    Django,
    Multipool,
    MultipoolInline,
    MultipoolPg8000,
    MultipoolPsycopg,
    Options,
    Params,
    Peer,
    Psycopg2Pool,
    PsycopgPool,
    SQLAlchemy,
    installed,
)
from benchmarks.report import Table, Verdict, seconds
from multipool.testing.proxy import Proxy
from multipool.testing.server import embedded_server

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

REFUSALS: Final[Mapping[str, Callable[[Params], Params]]] = {
    "Wrong password": lambda params: {**params, "user": "locked", "password": "wrong"},
    "Unknown database": lambda params: {**params, "dbname": "nowhere"},
}


@dataclass(frozen=True)
class Refusal:
    """What a refused pool did."""

    #: Seconds until the caller got an error; infinite if it got none.
    seconds: float
    attempts: int
    error: str


def measure(effort: Effort) -> dict[str, dict[str, Refusal]]:
    """Return what each pool did, by what was wrong and by the pool."""
    timeout = effort.pick(5.0, 1.0)
    hba = ["local all locked scram-sha-256"]
    with embedded_server(hba=hba) as server:
        server.psql("create role locked login password 'right'")
        return {
            wrong: {
                peer.label: _refusal(peer, server.params, change, timeout)
                for peer in installed(PEERS)
            }
            for wrong, change in REFUSALS.items()
        }


def _refusal(
    kind: type[Peer], params: Params, change: Callable[[Params], Params], timeout: float
) -> Refusal:
    errors: list[tuple[float, Exception]] = []

    def ask() -> None:
        try:
            with kind(change(proxy.params), options) as pool:
                pool.getconn()
        except Exception as error:
            errors.append((time.monotonic(), error))

    options = Options(timeout=timeout)
    with Proxy(params) as proxy:
        begun = time.monotonic()
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(timeout + 1)
        attempts = proxy.connections
    if not errors:
        return Refusal(float("inf"), attempts, "none")
    at, error = errors[0]
    return Refusal(at - begun, attempts, type(error).__name__)


def table(wrong: str, found: Mapping[str, Refusal]) -> Table:
    """Return what each pool did about what was *wrong*."""
    rows = [
        [peer, seconds(refusal.seconds), str(refusal.attempts), refusal.error]
        for peer, refusal in found.items()
    ]
    columns = ["pool", "s until the error", "attempts", "error"]
    return Table(wrong, columns, rows)


def verdicts(wrong: str, ours: Collection[Refusal]) -> list[Verdict]:
    """Return whether all of *ours* failed at once, and after one attempt."""
    slowest = max(refusal.seconds for refusal in ours)
    attempts = max(refusal.attempts for refusal in ours)
    return [
        Verdict(f"{wrong.lower()}: until the error", slowest, at_most=1, unit=" s"),
        Verdict(f"{wrong.lower()}: attempts", attempts, at_most=1),
    ]
