"""Cases 1, 2, 8, 9, 11, 20: those who wait."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final

from benchmarks.cases.scene import (
    Attempt,
    Failed,
    Scene,
    available,
    give_back,
    pid_of,
    use,
)
from benchmarks.measure import at_once, execute
from benchmarks.peers import Peer, base

_BENCHMARKS: Final = Path(__file__).parents[1]


def handed_over_too_late(scene: Scene) -> None:
    """A waiter times out while a connection is being handed to it: nothing is lost."""
    scene.kind.need("timeout")
    pool = scene.make(size=2, timeout=0.002)
    available(pool, 2)
    end = time.monotonic() + 1.5

    def borrow(_: int) -> None:
        while time.monotonic() < end:
            with suppress(Exception):
                conn = pool.getconn()
                time.sleep(random.uniform(0.0005, 0.0025))
                pool.putconn(conn)

    at_once(8, borrow)
    _all_there(pool, 2)


def interrupted(scene: Scene) -> None:
    """A KeyboardInterrupt in a waiting thread loses no connection."""
    scene.kind.need("waiting")
    pool = scene.make(size=1, timeout=3)
    signal.signal(signal.SIGALRM, _interrupt)
    for _ in range(60):
        holding = threading.Event()
        holder = Attempt(partial(_hold, pool, 0.005, holding))
        holding.wait(3)
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.003, 0.007))
        mine = None
        with suppress(KeyboardInterrupt):
            mine = pool.getconn()
        signal.setitimer(signal.ITIMER_REAL, 0)
        holder.ended(3)
        if mine is not None:
            pool.putconn(mine)
        if not available(pool, 1):
            raise Failed("the connection is lost after an interrupt")


def _hold(pool: Peer, seconds: float, holding: threading.Event) -> None:
    conn = pool.getconn()
    holding.set()
    time.sleep(seconds)
    pool.putconn(conn)


def _interrupt(_: int, frame: FrameType | None) -> None:
    """Raise while the pool is at work on a checkout, not once it has handed it over."""
    inside = 0
    while frame is not None and _BENCHMARKS not in Path(frame.f_code.co_filename).parents:
        frame = frame.f_back
        inside += 1
    if inside and frame is not None and frame.f_code.co_name == "getconn":
        raise KeyboardInterrupt


def eight_on_one(scene: Scene) -> None:
    """8 threads on one connection: each gets its turns."""
    scene.kind.need("waiting")
    pool = scene.make(size=1, timeout=10)
    use(pool)
    end = time.monotonic() + 1.5

    def borrow(_: int) -> int:
        turns = 0
        while time.monotonic() < end:
            conn = pool.getconn()
            turns += 1
            time.sleep(0.001)
            pool.putconn(conn)
        return turns

    turns = at_once(8, borrow)
    if min(turns) < max(turns) / 2:
        raise Failed(f"the idlest thread got {min(turns)} turns, the busiest {max(turns)}")


def closed_under_use(scene: Scene) -> None:
    """close() with a waiter and a borrower: the waiter fails at once, all connections end."""
    scene.kind.need("waiting")
    pool = scene.make(size=1, timeout=10)
    lent = pool.getconn()
    waiter = Attempt(pool.getconn)
    time.sleep(0.3)
    Attempt(pool.close)
    if not waiter.ended(1):
        raise Failed("a waiter goes on waiting after close()")
    if waiter.error is None:
        raise Failed("a waiter got a connection from a closed pool")
    with suppress(Exception):
        pool.putconn(lent)
    del lent
    if not scene.nobody_left():
        raise Failed("the borrower's connection stays open after its return")


def rollback_hangs(scene: Scene) -> None:
    """The clean-up of one connection hangs: nobody else waits for it."""
    pool = scene.make(size=2, timeout=3)
    slow, idle = pool.getconn(), pool.getconn()
    pid = pid_of(pool, slow)
    execute(idle, "select 1")
    pool.raw(idle).rollback()
    pool.putconn(idle)
    execute(slow, "begin" if getattr(pool.raw(slow), "autocommit", False) else "select 1")
    os.kill(pid, signal.SIGSTOP)
    try:
        Attempt(lambda: pool.putconn(slow))
        time.sleep(0.2)
        other = Attempt(pool.getconn)
        if not other.ended(1):
            raise Failed("the idle connection cannot be had meanwhile")
        if other.error is not None:
            raise Failed(f"the idle connection cannot be had: {type(other.error).__name__}")
        give_back(pool, [other.result])
    finally:
        os.kill(pid, signal.SIGCONT)


def own_deadlock(scene: Scene) -> None:
    """A thread that holds the whole pool and asks for more is told so at once, and where."""
    scene.kind.need("waiting")
    pool = scene.make(size=1, timeout=5)

    def ask_twice() -> None:
        held = pool.getconn()
        try:
            pool.getconn()
        finally:
            give_back(pool, [held])

    asker = Attempt(ask_twice)
    if not asker.ended(1):
        raise Failed("the thread waits for itself until the timeout, or for ever")
    if Path(base.__file__).name not in str(asker.error):
        raise Failed("the error does not tell where the connection was taken")


def _all_there(pool: Peer, size: int) -> None:
    found = available(pool, size)
    if found < size:
        raise Failed(f"{size - found} of {size} connections lost for good")
