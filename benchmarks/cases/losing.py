"""Cases 3, 4, 14, 16, 17: connections lost, returned twice, or too many."""

from __future__ import annotations

import gc
import random
import sys
import time
from contextlib import suppress
from types import FrameType

from benchmarks.cases.scene import (
    Attempt,
    Failed,
    Scene,
    available,
    give_back,
    in_thread,
)
from benchmarks.measure import at_once, execute, fill
from benchmarks.peers import Closing, Peer
from multipool.testing.proxy import Proxy


def dropped(scene: Scene) -> None:
    """A thread ends without giving its connection back: the place is reclaimed."""
    pool = scene.make(size=1, timeout=3)

    def drop() -> None:
        conn = pool.getconn()
        execute(conn, "select 1")

    in_thread(drop)
    gc.collect()
    if not available(pool, 1):
        raise Failed("the place is lost for good")


class _Forgetful:
    """Gives its connection back when it is collected, and can only be collected as a cycle."""

    def __init__(self, pool: Peer) -> None:
        self._pool = pool
        self._conn = pool.getconn()
        self._me = self

    def __del__(self) -> None:
        self._pool.putconn(self._conn)


def returned_by_finaliser(scene: Scene) -> None:
    """A finaliser gives a connection back while its thread is inside the pool: no deadlock."""
    pool = scene.make(size=4, timeout=3)
    fill(pool, 4)

    def play() -> None:
        sys.setprofile(_collect)
        for _ in range(1000):
            _Forgetful(pool)
            pool.putconn(pool.getconn())
            gc.collect()  # if chance has not done so: the pool must not run dry
        sys.setprofile(None)

    gc.freeze()  # so that a collection has next to nothing to look at
    if not Attempt(play).ended(10):
        raise Failed("deadlock")
    if available(pool, 4) < 4:
        raise Failed("connections are lost")


def _collect(_frame: FrameType, event: str, _argument: object) -> None:
    """Collect now and then where Python itself might: in a new frame, or after C code."""
    if event in ("call", "c_return") and random.random() < 0.1:
        gc.collect()


def returned_twice(scene: Scene) -> None:
    """A second return takes the connection from nobody, and a foreign one is refused."""
    pool = scene.make(size=1, timeout=1)
    first = pool.getconn()
    pool.putconn(first)
    second = in_thread(pool.getconn)
    with suppress(Exception):
        pool.putconn(first)
    third = Attempt(pool.getconn)
    if third.ended(2) and third.error is None:
        raise Failed("two borrowers have the same connection after a second return")
    give_back(pool, [second])
    if not isinstance(pool, Closing):
        _refuses_foreign(pool, scene.make(size=1))


def _refuses_foreign(pool: Peer, other: Peer) -> None:
    foreign = other.getconn()
    try:
        pool.putconn(foreign)
    except Exception:
        other.putconn(foreign)
    else:
        raise Failed("another pool's connection is taken")


def forgotten(scene: Scene) -> None:
    """Dropping the last reference to a pool closes it."""
    scene.kind.need("object to drop")
    pool = scene.make(size=2)
    fill(pool, 2)
    del pool
    gc.collect()
    if not scene.nobody_left():
        raise Failed("its connections stay open")


def never_too_many(scene: Scene) -> None:
    """The server never has more connections than were allowed, however slow connecting is."""
    size, most, turns = 5, 0, 0
    with Proxy(scene.params, delay=0.02) as proxy:
        pool = scene.make(proxy.params, size=size, timeout=10)

        def borrow(_: int) -> int:
            turns = 0
            for _ in range(5):
                with suppress(Exception):
                    conn = pool.getconn()
                    time.sleep(0.001)
                    pool.putconn(conn)
                    turns += 1
            return turns

        crowd = Attempt(lambda: at_once(30, borrow))
        while not crowd.ended(0.002):
            most = max(most, proxy.open)
        turns = sum(crowd.result or [])
    if not turns:
        raise Failed(f"nobody got a connection: {crowd.error!r}")
    if most > size:
        raise Failed(f"{most} connections where {size} were allowed")
