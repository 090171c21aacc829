"""Case 17: never more than ``max_size`` on the server, which counts itself."""

from __future__ import annotations

import random
import threading
import time

from hard_cases.outside import run
from support import Thread, until

from multipool.testing.proxy import Proxy

SIZE = 3


def test_max_size_is_never_exceeded_on_the_server_though_connects_are_slow_and_many(
    make_pool, outside, params
):
    """Lifetimes end, sessions are ended by hand, the pool is drained, all at the same time."""
    stop, enough = threading.Event(), threading.Event()
    seen = []

    def count():
        while not enough.is_set():
            seen.append(outside.pids())

    def end_by_hand(conn):
        pid = pool.driver.backend_pid(conn)
        pool.driver.close(conn)
        # The server needs a moment, and nobody but who did this can see it: so that waits.
        looks = len(seen) + 1  # of which the last may have begun before
        until(lambda: len(seen) > looks and pid not in seen[-1])

    with Proxy(params, delay=0.002) as proxy:
        pool = make_pool(proxy.params, max_size=SIZE, max_lifetime=0.05)

        def work():
            while not stop.is_set():
                try:
                    with pool.connection(timeout=10) as conn:
                        run(conn, "select 1")
                        if random.random() < 0.1:
                            end_by_hand(conn)
                            raise ZeroDivisionError
                except ZeroDivisionError:
                    pass

        def disturb():
            while not stop.is_set():
                pool.drain()
                time.sleep(0.02)

        counting = Thread(count)
        threads = [Thread(work) for _ in range(8)] + [Thread(disturb)]
        time.sleep(1.5)
        stop.set()
        for thread in threads:
            thread.outcome(20)
        enough.set()
        counting.outcome(20)
    assert pool.stats().opened > 5 * SIZE
    assert max(map(len, seen)) == SIZE


def test_a_smaller_max_size_is_reached_as_connections_come_back(make_pool, outside):
    pool = make_pool(max_size=4)
    conns = [pool.getconn() for _ in range(4)]
    pool.resize(max_size=2)
    for conn in conns:
        pool.putconn(conn)
    pool.close()
    assert not outside.pids()
