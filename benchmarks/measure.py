"""How it is measured: in turns, in one process, and judged by medians.

A machine's speed changes from minute to minute, so the subjects take turns (A B C A B C ...)
and only figures of the same run are compared.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from benchmarks.peers import Peer
from multipool import compiled_path
from multipool.testing.server import version as server_version

T = TypeVar("T")

#: Seconds that a thread is given to do what it was started for.
_PATIENCE: Final = 60.0


@dataclass(frozen=True)
class Effort:
    """How long to measure: in full, or just so long that everything has run once."""

    quick: bool = False

    def pick(self, full: T, quick: T) -> T:
        """Return the one that applies."""
        return quick if self.quick else full


def interleave(
    subjects: Mapping[str, Callable[[], T]], rounds: int, *, warm_up: bool = True
) -> dict[str, list[T]]:
    """Call each subject in turn, *rounds* times over; return what each returned.

    With *warm_up* there is one round more, the first, which does not count.
    """
    results: dict[str, list[T]] = {name: [] for name in subjects}
    for number in range(not warm_up, rounds + 1):
        for name, subject in subjects.items():
            gc.collect()
            result = subject()
            if number:
                results[name].append(result)
    return results


@contextmanager
def one_processor() -> Iterator[None]:
    """Run this thread, and the processes it starts, on one processor, where the system can.

    For clients and servers that mostly wait for each other: to wake one that sleeps on another
    processor may take as long as all else it does, and for which of them it does is luck.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def per_call(loop: Callable[[int], object], count: int) -> Callable[[], float]:
    """Return a function that runs ``loop(count)`` and returns the seconds for each call."""

    def timed() -> float:
        begun = time.perf_counter()
        loop(count)
        return (time.perf_counter() - begun) / count

    return timed


def medians(results: Mapping[str, Iterable[float]]) -> dict[str, float]:
    """Return the median of each subject's figures."""
    return {name: statistics.median(figures) for name, figures in results.items()}


def at_once(number: int, task: Callable[[int], T], patience: float = _PATIENCE) -> list[T]:
    """Run ``task(0)`` ... ``task(number - 1)``, each in a thread, begun at the same moment.

    Returns what they returned. The first error of any of them is raised, when all have ended;
    a TimeoutError, if one needs more than *patience*, in seconds.
    """
    barrier = threading.Barrier(number)
    results: list[Any] = [None] * number
    errors: list[BaseException] = []

    def run(index: int) -> None:
        try:
            barrier.wait(_PATIENCE)
            results[index] = task(index)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience)
        if thread.is_alive():
            raise TimeoutError(f"a thread has not ended within {patience:g} s")
    if errors:
        raise errors[0]
    return results


def execute(conn: Any, sql: str) -> Any:
    """Run *sql* by a cursor of *conn*; return the first column of the first row, if any."""
    cursor = conn.cursor()
    try:
        cursor.execute(sql)
        return cursor.fetchone()[0] if cursor.description else None
    finally:
        cursor.close()


def fill(peer: Peer, size: int) -> list[int]:
    """Have *peer* open *size* connections and leave them idle; return their backends' pids."""
    conns = [peer.getconn() for _ in range(size)]
    pids = [execute(conn, "select pg_backend_pid()") for conn in conns]
    for conn in conns:
        peer.raw(conn).rollback()
        peer.putconn(conn)
    return pids


def machine() -> str:
    """Return one line about the machine, Python, PostgreSQL, and how we were built."""
    load, _, _ = os.getloadavg()
    path = "in C" if compiled_path.in_use else "in Python"
    return (
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.machine()},"
        f" load {load:.1f}; {platform.python_implementation()} {platform.python_version()};"
        f" PostgreSQL {server_version()}; hot path {path}"
    )


def _processor() -> str:
    """Return what the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")


def versions(peers: Iterable[type[Peer]]) -> str:
    """Return the versions of the libraries of *peers* and of their drivers."""
    found: set[str] = set().union(*(peer.versions() for peer in peers))
    return ", ".join(sorted(found, key=str.lower))
