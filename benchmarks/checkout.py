"""What does it cost to borrow an idle connection and give it back?

One thread, one idle connection, no query: what is left is the pool's own work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import cast

from benchmarks.measure import Effort, fill, interleave, medians, per_call
from benchmarks.peers import (
    DBUtils,
    Django,
    Lending,
    Multipool,
    MultipoolDjango,
    MultipoolPg8000,
    MultipoolPolling,
    MultipoolPsycopg,
    MultipoolPure,
    Options,
    Peer,
    Psycopg2Pool,
    PsycopgPool,
    SQLAlchemy,
    installed,
)
from benchmarks.report import Chart, Report, Table, Verdict, microseconds, relative_rows
from multipool.testing.server import embedded_server

POOLS: tuple[type[Peer], ...] = (
    Multipool,
    MultipoolPsycopg,
    MultipoolPg8000,
    MultipoolPolling,
    MultipoolPure,
    PsycopgPool,
    SQLAlchemy,
    DBUtils,
    Psycopg2Pool,
)
BLOCKS: tuple[type[Lending], ...] = (
    Multipool,
    MultipoolPsycopg,
    MultipoolPolling,
    MultipoolPure,
    PsycopgPool,
)
DJANGO: tuple[type[Peer], ...] = (MultipoolDjango, Django)

TARGETS: Mapping[str, float] = {
    PsycopgPool.label: 8,
    SQLAlchemy.label: 16,
    DBUtils.label: 6,
    Psycopg2Pool.label: 2.5,
}


def run(effort: Effort) -> Report:
    """Measure and return the report."""
    with embedded_server() as server, ExitStack() as pools:

        def made(peer: type[Peer]) -> Peer:
            pool = pools.enter_context(peer(server.params, Options(size=1)))
            fill(pool, 1)
            return pool

        bare = _timed({peer.label: made(peer).cycle for peer in installed(POOLS)}, effort)
        blocks = _timed({peer.label: _blocks(peer, made) for peer in installed(BLOCKS)}, effort)
        django = _timed({peer.label: made(peer).cycle for peer in installed(DJANGO)}, effort)
    return Report(
        "Checkout and return",
        "What does it cost to borrow an idle connection and give it back?",
        [
            _table("By hand: getconn and putconn, or what the pool calls them", bare, Multipool),
            _table("with pool.connection(): pass", blocks, Multipool),
            _table("Django: ensure_connection() and close()", django, MultipoolDjango),
        ],
        _verdicts(bare, blocks),
        Chart("Checkout and return of an idle connection", "µs", _chart(bare)),
    )


def _blocks(peer: type[Lending], made: Callable[[type[Peer]], Peer]) -> Callable[[int], object]:
    return cast(Lending, made(peer)).blocks


def _timed(loops: Mapping[str, Callable[[int], object]], effort: Effort) -> dict[str, float]:
    count, rounds = effort.pick((4000, 41), (200, 3))
    subjects = {name: per_call(loop, count) for name, loop in loops.items()}
    return medians(interleave(subjects, rounds))


def _table(title: str, figures: dict[str, float], ours: type[Peer]) -> Table:
    columns = ["pool", "µs", f"times {ours.label}"]
    return Table(title, columns, relative_rows(figures, ours.label, microseconds))


def _verdicts(bare: dict[str, float], blocks: dict[str, float]) -> list[Verdict]:
    ours = Multipool.label
    found = [
        Verdict(f"times faster than {peer}, by hand", bare[peer] / bare[ours], at_least=target)
        for peer, target in TARGETS.items()
        if peer in bare
    ]
    theirs = PsycopgPool.label
    if theirs in bare:
        found += [
            Verdict(
                f"times faster than {theirs}, with a block",
                blocks[theirs] / blocks[ours],
                at_least=7,
            ),
            Verdict(
                f"times faster than {theirs}, inline with a poll each time",
                bare[theirs] / bare[MultipoolPolling.label],
                at_least=4,
            ),
        ]
    return found


def _chart(figures: dict[str, float]) -> dict[str, float]:
    return {name: seconds * 1e6 for name, seconds in sorted(figures.items(), key=lambda f: f[1])}
