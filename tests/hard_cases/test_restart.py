"""Cases 6 and 7: connections that died, or grew old, while nobody used them."""

from __future__ import annotations

import time

from hard_cases.outside import ask
from support import until

MANY = 10
#: Without the thread, a socket is looked at that was lent longer ago than ``check_after``.
LONGER = 0.06


def idle(pool, number=MANY):
    """Open connections and give them back; return their pids."""
    conns = [pool.getconn() for _ in range(number)]
    pids = {pool.driver.backend_pid(conn) for conn in conns}
    for conn in conns:
        pool.putconn(conn)
    return pids


def use(pool, number=MANY):
    """Check connections out, use each, give them back; return their pids and the seconds."""
    time.sleep(LONGER)
    started = time.monotonic()
    conns = [pool.getconn(timeout=5) for _ in range(number)]
    assert [ask(conn, "select 42") for conn in conns] == [[(42,)]] * number
    took = time.monotonic() - started
    pids = {pool.driver.backend_pid(conn) for conn in conns}
    for conn in conns:
        pool.putconn(conn)
    return pids, took


def test_after_a_restart_of_the_server_idle_connections_cost_nobody_an_error_nor_a_wait(
    make_pool, server
):
    pool = make_pool(max_size=MANY)
    before = idle(pool)
    server.restart()
    pids, took = use(pool)
    assert not pids & before
    assert took < 1


def test_idle_connections_that_were_terminated_cost_nobody_an_error_nor_a_wait(make_pool, outside):
    pool = make_pool(max_size=MANY)
    before = idle(pool)
    outside.end(*before)
    pids, took = use(pool)
    assert not pids & before
    assert took < 1


def test_the_pool_waits_for_a_server_that_starts_again(make_pool, server):
    pool = make_pool()
    idle(pool, 2)
    server.stop()
    try:
        until(lambda: not server.running)
    finally:
        server.start()
    _, took = use(pool, 2)
    assert took < 5


def test_a_connection_idle_past_its_lifetime_is_not_served(make_pool):
    pool = make_pool(max_lifetime=0.2)
    before = idle(pool, 2)
    time.sleep(0.25)
    after, _ = use(pool, 2)
    assert not after & before


def test_a_connection_is_served_until_its_lifetime_ends(make_pool):
    pool = make_pool(max_lifetime=60)
    before = idle(pool, 2)
    after, _ = use(pool, 2)
    assert after == before
