"""Which of the twenty hard cases does each pool get right?

Each case is a small function in `benchmarks.cases`, played with each pool in a process and
against a server of its own. One that does not end in time has failed. The pools' own tests
for dead connections are on.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.cases.catalogue import CASES, title
from benchmarks.measure import Effort
from benchmarks.peers import (
    DBUtils,
    Django,
    Multipool,
    MultipoolInline,
    MultipoolPg8000,
    MultipoolPsycopg,
    Peer,
    Psycopg2Pool,
    PsycopgPool,
    SQLAlchemy,
    installed,
)
from benchmarks.report import Report, Table, Verdict

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

#: Seconds that one case may take, its server's start included.
LIMIT: Final = 40.0

_ROOT: Final = Path(__file__).parents[1]
_MARKS: Final = {"holds": "yes", "fails": "NO", "not offered": "-"}


@dataclass(frozen=True)
class Outcome:
    """How one case ended with one pool: ``holds``, ``fails`` or ``not offered``, and why."""

    how: str
    why: str


def run(effort: Effort) -> Report:
    """Play all cases and return the report."""
    peers = installed(effort.pick(PEERS, (Multipool, PsycopgPool)))
    numbers = effort.pick(tuple(CASES), (3, 14, 20))
    outcomes = {number: {peer: play(number, peer) for peer in peers} for number in numbers}
    ours = [peer for peer in peers if issubclass(peer, Multipool)]
    failures = sum(outcomes[number][peer].how == "fails" for number in numbers for peer in ours)
    return Report(
        "Hard cases",
        "Which of the hard cases does each pool get right?",
        [_overview(outcomes, peers), _reasons(outcomes)],
        [Verdict(f"failures of ours, in {len(numbers) * len(ours)} plays", failures, at_most=0)],
    )


def play(number: int, peer: type[Peer]) -> Outcome:
    """Play one case in a process of its own."""
    player = subprocess.Popen(  # noqa: S603  (a program of ours)
        [sys.executable, "-m", "benchmarks.cases", str(number), peer.__name__],
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that it can be ended with all it has started
    )
    try:
        said, complaints = player.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(player.pid, signal.SIGKILL)
        player.communicate()
        return Outcome("fails", f"hangs for more than {LIMIT:g} s")
    if not said:
        last = complaints.strip().splitlines()[-1:] or [f"status {player.returncode}"]
        return Outcome("fails", f"the process ends: {last[0]}")
    return Outcome(*json.loads(said.splitlines()[-1]))


def _overview(
    outcomes: Mapping[int, Mapping[type[Peer], Outcome]], peers: Sequence[type[Peer]]
) -> Table:
    rows = [
        [f"{number:2} {title(number)}", *[_MARKS[by_peer[peer].how] for peer in peers]]
        for number, by_peer in outcomes.items()
    ]
    score = [
        f"{sum(by_peer[peer].how == 'holds' for by_peer in outcomes.values())}" for peer in peers
    ]
    return Table(
        "Each case with each pool",
        ["case", *[peer.short for peer in peers]],
        [*rows, ["held", *score]],
        ["-: the pool has no such function."],
    )


def _reasons(outcomes: Mapping[int, Mapping[type[Peer], Outcome]]) -> Table:
    rows = [
        [str(number), peer.label, outcome.how, outcome.why]
        for number, by_peer in outcomes.items()
        for peer, outcome in by_peer.items()
        if outcome.how != "holds"
    ]
    return Table("What happened", ["case", "pool", "outcome", "why"], rows, prose=True)
