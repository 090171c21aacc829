"""Cases 1, 2 and 15: a wait, a connect, a reset or a query that ends before its time."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time

import pytest
from hard_cases.outside import ask, run
from support import Thread, until

from multipool import PoolTimeout
from multipool.testing.proxy import Proxy


class Kill(BaseException):
    """What one thread throws into another."""


def throw_into(thread: threading.Thread) -> None:
    """Raise `Kill` in *thread*, at the next point at which the interpreter looks up there."""
    ident = ctypes.c_ulong(thread.ident or 0)
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(Kill)) == 1


def press_ctrl_c() -> None:
    """As a terminal does: the main thread gets KeyboardInterrupt."""
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def _ctrl_c_is_heard():
    # Where tests are started in the background, SIGINT is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def is_whole(pool, outside, size=2):
    """Tell whether the pool lends all it may, all of them work, and there are no more."""
    conns = [pool.getconn(timeout=5) for _ in range(size)]
    assert [ask(conn, "select 42") for conn in conns] == [[(42,)]] * size
    # The server learns of a socket that was closed in mid-query when that query ends.
    until(lambda: len(outside.pids()) == size)
    for conn in conns:
        pool.putconn(conn)
    stats = pool.stats()
    assert (stats.used, stats.connecting, stats.waiting) == (0, 0, 0)
    return True


def test_nothing_is_lost_when_a_waiter_times_out_while_a_connection_is_handed_to_it(
    make_pool, outside
):
    pool = make_pool()
    timeouts = []

    def work():
        for _ in range(60):
            try:
                with pool.connection(timeout=0.002) as conn:
                    run(conn, "select pg_sleep(0.001)")
            except PoolTimeout:
                timeouts.append(1)

    is_whole(pool, outside)  # a connect alone would take longer than those timeouts
    for thread in [Thread(work) for _ in range(6)]:
        thread.outcome(60)
    assert timeouts
    assert is_whole(pool, outside)


def test_ctrl_c_while_waiting_costs_no_connection(make_pool, outside):
    pool = make_pool()
    held = Thread(lambda: [pool.getconn() for _ in range(2)]).outcome()

    def interrupt():
        until(lambda: pool.stats().waiting)
        press_ctrl_c()

    thread = Thread(interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.getconn(timeout=20)
    thread.outcome()
    assert pool.stats().waiting == 0
    while held:
        pool.putconn(held.pop())
    assert is_whole(pool, outside)


def test_ctrl_c_while_connecting_costs_no_place(make_pool, outside, params):
    with Proxy(params) as proxy:
        pool = make_pool(proxy.params)
        proxy.silence()

        def interrupt():
            until(lambda: pool.stats().connecting)
            time.sleep(0.1)
            press_ctrl_c()
            proxy.resume()  # a C library may hear of nothing before its call returns

        thread = Thread(interrupt)
        with pytest.raises(KeyboardInterrupt):
            pool.getconn(timeout=20)
            raise AssertionError("the connect was quicker than the interrupt")
        thread.outcome()
        until(lambda: pool.stats().size == 0)
        assert is_whole(pool, outside)


def test_ctrl_c_while_resetting_costs_no_place(make_pool, outside):
    pool = make_pool(reset=lambda conn: run(conn, "select pg_sleep(0.5)"))
    conn = pool.getconn()
    thread = Thread(lambda: (time.sleep(0.2), press_ctrl_c()))
    with pytest.raises(KeyboardInterrupt):
        pool.putconn(conn)
    thread.outcome()
    del conn
    until(lambda: not outside.pids())
    pool = make_pool(reset="never")
    assert is_whole(pool, outside)


def test_a_thread_that_is_killed_while_waiting_leaves_the_line(make_pool, outside):
    pool = make_pool()
    held = [pool.getconn() for _ in range(2)]
    waiting = Thread(lambda: pool.getconn(timeout=20))
    until(lambda: pool.stats().waiting)
    throw_into(waiting)
    with pytest.raises(Kill):
        waiting.outcome()
    assert pool.stats().waiting == 0
    while held:
        pool.putconn(held.pop())
    assert is_whole(pool, outside)


def test_threads_that_are_killed_anywhere_lose_no_connection(make_pool, outside):
    pool = make_pool()

    def work():
        while True:
            with pool.connection(timeout=5) as conn:
                run(conn, "select 1")

    for delay in range(12):
        thread = Thread(work)
        time.sleep(0.01 + delay / 1000)
        throw_into(thread)
        with pytest.raises(Kill):
            thread.outcome()
        del thread
    assert is_whole(pool, outside)


def test_a_query_interrupted_by_ctrl_c_leaves_nothing_to_the_next_borrower(make_pool, outside):
    pool = make_pool(max_size=1)
    thread = Thread(lambda: (time.sleep(0.2), press_ctrl_c()))
    with pytest.raises(KeyboardInterrupt), pool.connection() as conn:
        ask(conn, "select 'of the one before' from pg_sleep(0.5)")
    del conn
    thread.outcome()
    assert is_whole(pool, outside, size=1)


def test_a_query_that_was_cancelled_leaves_nothing_to_the_next_borrower(make_pool, outside, driver):
    pool = make_pool(max_size=1)

    def use():
        with pool.connection() as conn:
            canceller = Thread(lambda: (time.sleep(0.2), driver.cancel(conn)))
            try:
                ask(conn, "select 'of the one before' from pg_sleep(20)")
            finally:
                canceller.outcome()

    with pytest.raises(driver.Error) as caught:
        use()
    assert driver.sqlstate(caught.value) == "57014"
    assert is_whole(pool, outside, size=1)
