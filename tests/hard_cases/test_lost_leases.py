"""Cases 3 and 4: connections that nobody gives back, and those that a finaliser does."""

from __future__ import annotations

import gc
import logging
from threading import Barrier

import pytest
from hard_cases.outside import ask
from support import Thread, until

from multipool import PoolTimeout


class Knot:
    """An object that refers to itself, so that only the collector ends it."""

    def __init__(self, held):
        self.held = held
        self.itself = self


def test_a_connection_whose_name_was_dropped_gives_its_place_back_and_is_closed(
    make_pool, outside, driver
):
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    lost = driver.backend_pid(conn)
    del conn
    conn = pool.getconn(timeout=5)
    assert driver.backend_pid(conn) != lost
    until(lambda: outside.pids() == {driver.backend_pid(conn)})
    assert pool.stats().lost == 1
    pool.putconn(conn)


def test_a_connection_that_its_garbage_gives_back_is_closed_and_not_lent_once_more(
    make_pool, outside, driver
):
    """Its place is free before a block in the same garbage ends, or a finaliser runs."""
    pool = make_pool(max_size=1)

    def rows():
        with pool.connection() as conn:
            yield ask(conn, "select 1")

    class Repository(Knot):
        def __del__(self):
            self.held.close()

    knot = Knot(rows())
    next(knot.held)
    del knot
    gc.collect()
    Repository(pool.getconn())
    gc.collect()
    with pool.connection() as conn:
        assert ask(conn, "select 1") == [(1,)]
        assert pool.stats().idle == 0
        until(lambda: outside.pids() == {driver.backend_pid(conn)})
    assert pool.stats().lost == 2


def test_a_connection_lost_in_a_transaction_is_rolled_back_by_its_end(make_pool, outside, driver):
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    ask(conn, "select pg_advisory_xact_lock(4711)")
    del conn
    until(lambda: not outside.pids())
    assert ask(pool.getconn(), "select pg_try_advisory_xact_lock(4711)") == [(True,)]


def test_a_thread_that_ended_with_a_connection_in_a_cycle_costs_no_place(make_pool):
    """Garbage is collected before anybody is told that there is none."""
    pool = make_pool(max_size=1)
    gc.disable()
    try:
        Thread(lambda: Knot(pool.getconn()) and None).outcome()
        assert pool.stats().used == 1
        conn = pool.getconn(timeout=5)
        assert pool.stats().lost == 1
    finally:
        gc.enable()
    pool.putconn(conn)


def test_what_living_threads_have_lost_in_cycles_between_them_costs_no_place(make_pool):
    """Neither holds all there is, so neither would wait for itself alone."""
    pool = make_pool(max_size=2)
    lost = Barrier(2)

    def lose_and_wait():
        Knot(pool.getconn())
        lost.wait(10)
        pool.putconn(pool.getconn(timeout=10))

    gc.disable()
    try:
        for thread in [Thread(lose_and_wait) for _ in range(2)]:
            thread.outcome(20)
    finally:
        gc.enable()


def test_a_thread_that_ends_while_others_wait_costs_no_place(make_pool):
    pool = make_pool(max_size=1)
    gc.disable()
    try:
        knot = Thread(lambda: Knot(pool.getconn())).outcome()
        waiting = Thread(lambda: pool.getconn(timeout=10))
        until(lambda: pool.stats().waiting)
        del knot
        waiting.outcome()
    finally:
        gc.enable()


def test_a_connection_that_outlives_its_borrowers_thread_stays_with_who_has_it(make_pool):
    pool = make_pool(max_size=1)
    conn = Thread(pool.getconn).outcome()
    with pytest.raises(PoolTimeout, match=r"\(ended\)"):
        pool.getconn(timeout=0.7)
    assert ask(conn, "select 1") == [(1,)]
    pool.putconn(conn)
    assert (pool.stats().lost, pool.stats().idle) == (0, 1)


def test_a_lost_connection_is_reported_with_where_it_was_checked_out(make_pool, caplog):
    pool = make_pool(max_size=1)

    def lose_it():
        pool.getconn()

    with caplog.at_level(logging.WARNING, logger="multipool"):
        lose_it()
        pool.putconn(pool.getconn(timeout=5))
        until(lambda: "lose_it" in caplog.text)
    assert "'shop'" in caplog.text
    assert "test_lost_leases.py:" in caplog.text


@pytest.mark.parametrize("spoil", [False, True], ids=["clean", "to be closed"])
def test_a_finaliser_may_return_a_connection_while_its_thread_is_inside_the_pool(make_pool, spoil):
    """The collector is made to run after every few allocations, and finds them everywhere.

    In either thread, so what ends the lease must know which it is: see `Pool.putconn`.
    """
    pool = make_pool(max_size=8)

    class Holder(Knot):
        def __init__(self):
            super().__init__(pool.connection(timeout=10))
            self.conn = self.held.__enter__()

        def __del__(self):
            if spoil:
                self.conn._multipool_slot.spend()
            self.held.__exit__(None, None, None)

    def work():
        for _ in range(100):
            Holder()
            pool.stats()
            with pool.connection(timeout=10) as conn:
                ask(conn, "select 1")

    threshold = gc.get_threshold()
    gc.set_threshold(5)
    try:
        for thread in [Thread(work) for _ in range(2)]:
            thread.outcome(60)
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    until(lambda: pool.stats().used == 0)
