"""Cases 5, 6, 12, 13, 15: forks, restarts, exits, clocks and interrupts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any, Final

from benchmarks.cases.scene import Attempt, Failed, Scene, give_back, use
from benchmarks.cases.skew import skew
from benchmarks.measure import at_once, execute, fill

_DAY: Final = 86400.0


def forked(scene: Scene) -> None:
    """A forked child never touches its parent's connections; both go on."""
    pool = scene.make(size=2, timeout=3)
    parents = set(fill(pool, 2))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        with suppress(BaseException):
            os.write(writing, str(use(pool)).encode())
            pool.close()
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    answer = os.read(reading, 100)
    os.close(reading)
    if not answer:
        raise Failed("the child gets no connection")
    if int(answer) in parents:
        raise Failed("the child uses its parent's connection")
    try:
        still = set(fill(pool, 2))
    except Exception as error:
        raise Failed(f"the parent's connections are broken: {type(error).__name__}") from error
    if still != parents:
        raise Failed("the child ended its parent's connections")


def restarted(scene: Scene) -> None:
    """The server is restarted under idle connections: no error, no long wait."""
    size = 5
    pool = scene.make(size=size, timeout=10)
    fill(pool, size)
    time.sleep(0.1)  # some pools trust a connection that was in use a moment ago
    scene.server.restart()
    begun = time.monotonic()
    try:
        at_once(size, lambda _: use(pool))
    except Exception as error:
        raise Failed(f"a borrower gets {type(error).__name__}") from error
    took = time.monotonic() - begun
    if took > 2:
        raise Failed(f"it takes {took:.1f} s until all can work again")


def leaves_in_peace(scene: Scene) -> None:
    """The interpreter ends under a second and without a word: idle, lent and waited for."""
    command = [sys.executable, "-m", "benchmarks.cases.leaver"]
    leaver = subprocess.Popen(  # noqa: S603  (a program of ours)
        [*command, scene.kind.__name__, json.dumps(dict(scene.params))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        told, complaints = leaver.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        leaver.kill()
        leaver.communicate()
        raise Failed("the interpreter does not end") from None
    took = time.monotonic() - float(told or 0)
    if complaints.strip():
        raise Failed(f"it says: {complaints.strip().splitlines()[-1]}")
    if leaver.returncode:
        raise Failed(f"it ends with status {leaver.returncode}")
    if took > 1:
        raise Failed(f"it takes {took:.1f} s")


def clock_jumps(scene: Scene) -> None:
    """The wall clock jumps: no lifetime and no timeout changes."""
    scene.kind.need("timeout")
    pool = scene.make(size=1, timeout=0.5, lifetime=60)
    before = use(pool)
    skew(_DAY)
    if use(pool) != before:
        raise Failed("a clock put forward ends a connection's life")
    lent = pool.getconn()
    waiter = Attempt(pool.getconn)
    time.sleep(0.2)
    skew(-_DAY)
    if not waiter.ended(2):
        raise Failed("a clock put back makes a waiter wait for ever")
    give_back(pool, [lent])


def interrupted_query(scene: Scene) -> None:
    """A query is interrupted half-way: the next borrower gets the answer to its own."""
    pool = scene.make(size=1, timeout=5)
    lent = pool.getconn()
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with suppress(BaseException):
        execute(lent, "select 'old' from pg_sleep(0.6)")
    signal.setitimer(signal.ITIMER_REAL, 0)
    give_back(pool, [lent])
    del lent
    next_one = Attempt(lambda: _ask(pool))
    if not next_one.ended(5):
        raise Failed("the next borrower hangs")
    if next_one.error is not None:
        raise Failed(f"the next borrower gets {type(next_one.error).__name__}")
    if next_one.result != "new":
        raise Failed(f"the next borrower is answered {next_one.result!r}")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _ask(pool: Any) -> Any:
    conn = pool.getconn()
    try:
        return execute(conn, "select 'new'")
    finally:
        pool.putconn(conn)
