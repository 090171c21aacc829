"""Cases 10 and 11: hooks that raise, and those that hang."""

from __future__ import annotations

import threading
import time

import pytest
from hard_cases.outside import ask, run
from support import Thread, until


def fails(conn):
    """A statement that the server refuses."""
    run(conn, "select 1/0")


def test_a_configure_that_fails_reaches_the_caller_and_leaves_nothing_open(
    make_pool, outside, driver
):
    pool = make_pool(configure=fails, max_size=1)
    for _ in range(3):
        with pytest.raises(driver.DatabaseError) as caught:
            pool.getconn()
        assert driver.sqlstate(caught.value) == "22012"
        assert "pool 'shop'" in caught.value.__notes__[0]
    until(lambda: not outside.pids())
    assert pool.stats().size == 0


def test_a_connection_that_fails_its_check_is_closed_and_replaced(make_pool, outside, driver):
    checks = [lambda conn: None, fails]
    pool = make_pool(check=lambda conn: checks.pop()(conn), max_size=1)
    conn = pool.getconn()
    first = driver.backend_pid(conn)
    pool.putconn(conn)
    conn = pool.getconn(timeout=5)
    assert ask(conn, "select 1") == [(1,)]
    until(lambda: outside.pids() == {driver.backend_pid(conn)})
    assert driver.backend_pid(conn) != first
    pool.putconn(conn)


def test_an_error_of_the_users_own_in_check_reaches_the_caller(make_pool):
    def check(conn):
        raise ZeroDivisionError("in check")

    pool = make_pool(check=check, max_size=1)
    pool.putconn(pool.getconn())
    with pytest.raises(ZeroDivisionError, match="in check"):
        pool.getconn()
    pool.putconn(pool.getconn(timeout=5))  # a new one, which is not checked


@pytest.mark.parametrize("reset", [fails, "select 1/0"], ids=["callable", "sql"])
def test_a_connection_whose_reset_fails_is_closed_and_replaced(
    make_pool, outside, driver, reset, caplog
):
    pool = make_pool(reset=reset, max_size=1)
    conn = pool.getconn()
    first = driver.backend_pid(conn)
    pool.putconn(conn)
    conn = pool.getconn(timeout=5)
    assert driver.backend_pid(conn) != first
    until(lambda: outside.pids() == {driver.backend_pid(conn)})
    assert "could not be cleaned" in caplog.text
    assert "pool 'shop'" in caplog.text


def test_nobody_else_waits_for_a_reset_that_hangs(make_pool):
    hangs, go_on = threading.Event(), threading.Event()

    def reset(conn):
        if threading.current_thread() is returning:
            hangs.set()
            run(conn, "select pg_sleep(0.2)")
            assert go_on.wait(20)
            conn.rollback()

    pool = make_pool(reset=reset)
    returning = None
    conn = pool.getconn()
    start = threading.Event()
    returning = Thread(lambda: start.wait() and pool.putconn(conn))
    start.set()
    assert hangs.wait(5)
    started = time.monotonic()
    for _ in range(20):
        with pool.connection(timeout=2) as other:
            run(other, "select 1")
    assert pool.stats().size == 2
    assert time.monotonic() - started < 1
    go_on.set()
    returning.outcome()


def test_nobody_else_waits_for_a_close_that_hangs(make_pool):
    hangs, go_on = threading.Event(), threading.Event()

    def on_close(conn):
        hangs.set()
        assert go_on.wait(20)

    pool = make_pool(on_close=on_close)
    conn = pool.getconn()
    conn._multipool_slot.spend()
    returning = Thread(lambda: pool.putconn(conn))
    assert hangs.wait(5)
    started = time.monotonic()
    for _ in range(20):
        with pool.connection(timeout=2) as other:
            run(other, "select 1")
    assert time.monotonic() - started < 1
    go_on.set()
    returning.outcome()
