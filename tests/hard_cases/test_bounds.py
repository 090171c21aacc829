"""Case 17: never more than ``max_size`` on the server, which counts itself."""

from __future__ import annotations

import random
import threading
import time

from hard_cases.outside import run
from support import Thread

from multipool.testing.proxy import Proxy

SIZE = 3


def test_max_size_is_never_exceeded_on_the_server_though_connects_are_slow_and_many(
    make_pool, outside, params
):
    """Lifetimes end, sessions are ended by hand, the pool is drained, all at the same time."""
    stop = threading.Event()
    seen = []

    def count():
        while not stop.is_set():
            seen.append(len(outside.pids()))

    with Proxy(params, delay=0.002) as proxy:
        pool = make_pool(proxy.params, max_size=SIZE, max_lifetime=0.05)

        def work():
            while not stop.is_set():
                try:
                    with pool.connection(timeout=10) as conn:
                        run(conn, "select 1")
                        if random.random() < 0.1:
                            pool.driver.close(conn)
                            raise ZeroDivisionError
                except ZeroDivisionError:
                    pass

        def disturb():
            while not stop.is_set():
                pool.drain()
                time.sleep(0.02)

        threads = [Thread(work) for _ in range(8)] + [Thread(disturb), Thread(count)]
        time.sleep(1.5)
        stop.set()
        for thread in threads:
            thread.outcome(20)
    assert pool.stats().opened > 5 * SIZE
    assert max(seen) == SIZE


def test_a_smaller_max_size_is_reached_as_connections_come_back(make_pool, outside):
    pool = make_pool(max_size=4)
    conns = [pool.getconn() for _ in range(4)]
    pool.resize(max_size=2)
    for conn in conns:
        pool.putconn(conn)
    pool.close()
    assert not outside.pids()
