"""Case 8: those who wait get their turns."""

from __future__ import annotations

import threading
from _thread import start_new_thread

import pytest
from hard_cases.outside import run
from support import Thread, until

from multipool import PoolTimeout


def test_each_of_eight_threads_gets_its_turns_on_one_connection(make_pool):
    pool = make_pool(max_size=1)
    turns = dict.fromkeys(range(8), 0)
    all_there = threading.Barrier(len(turns))
    stop = threading.Event()

    def work(number):
        all_there.wait()
        while not stop.is_set():
            with pool.connection() as conn:
                run(conn, "select 1")
                turns[number] += 1

    threads = [Thread(lambda number=number: work(number)) for number in turns]
    until(lambda: sum(turns.values()) >= 2000, 60)
    stop.set()
    for thread in threads:
        thread.outcome()
    # One that the system kept from asking has missed a turn or two; nobody was passed over.
    assert max(turns.values()) <= 1.3 * min(turns.values())


def test_who_waits_for_nobody_has_what_opens_where_there_is_room(make_pool):
    pool = make_pool(max_size=2, timeout=0)
    first = pool.getconn()
    with pool.connection(timeout=-1) as second:
        run(second, "select 1")
        with pytest.raises(PoolTimeout):
            pool.getconn()
    assert pool.getconn() is second
    pool.putconn(second)
    pool.putconn(first)


def test_a_thread_whose_first_function_is_the_checkout_itself_gets_a_connection(make_pool):
    """C code calls it then, as for a greenlet; there is no frame of the user's to remember."""
    pool = make_pool(max_size=1)
    start_new_thread(pool.getconn, ())
    until(lambda: pool.stats().lost == 1)
    pool.putconn(pool.getconn(timeout=5))
