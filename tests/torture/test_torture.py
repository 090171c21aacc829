"""All at once and at random, on a real server: see `worker`, and `disturb` below.

``MULTIPOOL_TORTURE_SECONDS`` says how long, all drivers and both kinds of upkeep together (20);
``MULTIPOOL_TORTURE_SEED`` repeats the decisions of a run that failed, though not its timing.
"""

from __future__ import annotations

import gc
import os
import random
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hard_cases.outside import Outside, ask
from support import until
from torture.worker import Book, Kill, Worker

from multipool import Pool
from multipool.driver import Driver
from multipool.testing.server import EmbeddedServer, embedded_server

SECONDS = float(os.environ.get("MULTIPOOL_TORTURE_SECONDS", "20"))
SEED = os.environ.get("MULTIPOOL_TORTURE_SEED") or secrets.token_hex(4)

WORKERS = 8
MOST = 6  # of the sizes that the pool is given
PLAYS = 6  # three drivers, two kinds of upkeep

pytestmark = pytest.mark.timeout(SECONDS + 300)


@pytest.fixture(scope="module")
def own_server() -> Iterator[EmbeddedServer]:
    """A server to restart at will."""
    with embedded_server(max_connections=60) as server:
        yield server


@pytest.fixture(autouse=True)
def _kills_in_finalisers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python reports what strikes there and goes on; pytest would keep its frames, and leases."""
    report = sys.unraisablehook

    def forget(unraisable: Any) -> None:
        # psycopg warns of a connection whose making was struck at its end, before it was ours.
        if unraisable.exc_type not in (Kill, ResourceWarning):
            report(unraisable)

    monkeypatch.setattr(sys, "unraisablehook", forget)


@pytest.fixture(autouse=True)
def _threads_start_unharmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a kill from the thread that the one to be killed is starting.

    Until that runs, CPython 3.11 has it down under its starter's ident, so the kill strikes
    it before it can say that it runs, and its starter waits for that for ever.
    """
    start = threading.Thread.start

    def start_whole(thread: threading.Thread) -> None:
        starter = threading.current_thread()
        with starter.lock if isinstance(starter, Worker) else nullcontext():
            start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_whole)


class Torture:
    """One pool, those who use it, and those who disturb them."""

    def __init__(self, server: EmbeddedServer, driver: Driver, upkeep: str) -> None:
        self.server = server
        self.name = f"torture {secrets.token_hex(4)}"
        self.pool = Pool(
            {**server.params, "application_name": self.name},
            driver=driver,
            upkeep=upkeep,
            name="shop",
            min_size=1,
            max_size=4,
            max_lifetime=0.5,
            max_idle=0.2,
            check_after=0.0,
        )
        self.book = Book()
        self.stop = threading.Event()
        self.random = random.Random(f"{SEED} {driver.name} {upkeep}")
        self.hired = 0
        self.workers = [self.hire() for _ in range(WORKERS)]
        #: Taken by whoever needs the server to be there.
        self.there = threading.Lock()

    def hire(self) -> Worker:
        self.hired += 1
        worker = Worker(self.pool, self.book, self.stop, f"{SEED} {self.hired}")
        worker.start()
        return worker

    def play(self, seconds: float) -> None:
        """Let it all happen for so long, then wait until everybody has had their answer."""
        counter = threading.Thread(target=self.count, daemon=True)
        counter.start()
        until_then = time.monotonic() + seconds
        with Outside(self.pool.driver, dict(self.server.params), self.name) as outside:
            while time.monotonic() < until_then:
                self.disturb(outside)
                time.sleep(self.random.random() / 50)
        self.stop.set()
        for worker in [*self.workers, counter]:
            worker.join(30)
            if worker.is_alive():
                self.book.violations.append(f"{worker.name} got no answer, at {_where(worker)}")

    def disturb(self, outside: Outside) -> None:
        """Do one of the things that happen to pools."""
        (deed,) = self.random.choices(
            ["kill a worker", "end a session", "drain", "resize", "restart"], [30, 30, 10, 20, 1]
        )
        if deed == "kill a worker":
            number = self.random.randrange(WORKERS)
            worker = self.workers[number]
            worker.kill()
            self.book.dropped.append(time.monotonic())
            worker.join(1)
            if not worker.is_alive():  # else it was struck in a finaliser, and goes on
                self.workers[number] = self.hire()
        elif deed == "end a session":
            pids = sorted(outside.pids())
            if pids:
                outside.ask(f"select pg_terminate_backend({self.random.choice(pids)})")
        elif deed == "drain":
            self.pool.drain()
        elif deed == "resize":
            self.pool.resize(max_size=self.random.randint(1, MOST))
        else:
            with self.there:
                self.server.restart()

    def count(self) -> None:
        """Count the pool's sessions on the server, again and again."""
        with Outside(self.pool.driver, dict(self.server.params), self.name) as outside:
            while not self.stop.is_set():
                with self.there:
                    found = len(outside.pids())
                # The server learns a little later of what was dropped without a word.
                lately = time.monotonic() - 1
                excused = sum(when > lately for when in self.book.dropped)
                if found > MOST + excused:
                    self.book.violations.append(f"{found} sessions, {excused} of them excused")
                time.sleep(0.01)


def _where(thread: threading.Thread) -> str:
    """Return where *thread* is, innermost first."""
    frame = sys._current_frames().get(thread.ident or 0)
    stack = traceback.extract_stack(frame)[::-1] if frame else []
    return " < ".join(f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in stack)


@pytest.mark.parametrize("upkeep", ["thread", "inline"])
def test_nothing_is_lost_shared_exceeded_or_left_unanswered(own_server, driver, upkeep):
    torture = Torture(own_server, driver, upkeep)
    pool, book = torture.pool, torture.book
    try:
        torture.play(SECONDS / PLAYS)
        check_whole(torture)
    except Exception as error:
        book.violations.append(f"at the end: {type(error).__name__}: {error}; {pool.stats()}")
    finally:
        torture.stop.set()
    assert not book.violations, f"MULTIPOOL_TORTURE_SEED={SEED}: {book.violations[:10]}"
    assert book.done > 20 * SECONDS / PLAYS, "hardly anything was done"


def check_whole(torture: Torture) -> None:
    """Fail unless the pool lends all it may, all of them work, and nothing outlives it."""
    pool = torture.pool
    torture.workers.clear()
    gc.collect()
    pool.resize(max_size=MOST)
    until(lambda: pool.stats().used == 0 and pool.stats().waiting == 0, 10)
    conns = [pool.getconn(timeout=10) for _ in range(MOST)]
    assert len({ask(conn, "select pg_backend_pid()")[0] for conn in conns}) == MOST
    for conn in conns:
        pool.putconn(conn)
    pool.close(timeout=10)
    assert pool.stats().size == 0
    with Outside(pool.driver, dict(torture.server.params), torture.name) as outside:
        until(lambda: not outside.pids(), 10)
