"""Driving two ways of doing the same thing in turn, and taking the time of every turn.

Both ways get the same workers, warm-up, number of rounds and seconds, and who begins
changes from round to round, so that whatever else the machine does hits both alike.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

#: One unit of work: one request, one transaction. Called again and again by one thread.
Work = Callable[[], object]

ROUNDS: Final = 4
WARM_UP: Final = 0.5  # seconds, for each way


@dataclass
class Measured:
    """What the workers of one way did while time was taken."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def figures(self) -> Figures:
        """Return what is reported of it."""
        done = len(self.latencies)
        return Figures(
            done=done,
            per_second=done / self.seconds,
            median=statistics.median(self.latencies),
            longest=max(self.latencies),
        )


@dataclass(frozen=True)
class Figures:
    """How often something was done, and how many seconds it took."""

    done: int
    per_second: float
    median: float
    longest: float


def in_turn(
    ways: Mapping[str, Sequence[Work]],
    seconds: float,
    tick: Callable[[], object],
) -> dict[str, Figures]:
    """Run all workers of each way for *seconds* in all, and return each way's figures.

    *tick* is called now and then, to show that it goes on. The first exception in a
    worker ends everything and is raised.
    """
    for workers in ways.values():
        _run(workers, WARM_UP)
        tick()
    measured = {name: Measured() for name in ways}
    turns = [name for turn in range(ROUNDS) for name in list(ways)[:: -1 if turn % 2 else 1]]
    for name in turns:
        _run(ways[name], seconds / ROUNDS, measured[name])
        tick()
    return {name: each.figures() for name, each in measured.items()}


def _run(workers: Sequence[Work], seconds: float, measured: Measured | None = None) -> None:
    """Let each worker repeat its work in a thread of its own until *seconds* are over.

    What has begun is finished, and counted with the time that it took.
    """
    failures: list[BaseException] = []
    latencies: list[float] = []
    begin = time.perf_counter()
    end = begin + seconds

    def repeat(work: Work) -> None:
        try:
            after = begin
            while after < end and not failures:
                before = time.perf_counter()
                work()
                after = time.perf_counter()
                latencies.append(after - before)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=repeat, args=(work,)) for work in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    if measured is not None:
        measured.seconds += time.perf_counter() - begin
        measured.latencies += latencies
