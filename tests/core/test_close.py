"""Closing a pool, dropping it, and knowing which there are."""

import copy
import gc
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest
from support import Thread, until

from multipool import Pool, PoolClosed, PoolTimeout, inner, pools, upkeep
from multipool.caretaker import PATIENT_GOODBYE
from multipool.handoff import Waiter
from multipool.testing.fake import FakeDriver, Raise, errors


def test_close_ends_idle_connections(fake, make_pool):
    pool = make_pool()
    pool.putconn(pool.getconn())
    pool.close()
    assert (fake.open, pool.closed, pool.stats().size) == (0, True, 0)


def test_a_close_while_upkeep_looks_at_the_pool_closes_what_is_idle_too(make_pool, monkeypatch):
    pool = make_pool()
    tend, closing = upkeep.tend, []

    def tend_and_be_late(inner):
        due = tend(inner)
        if closing and inner is pool._inner:
            closing.pop()
            Thread(lambda: pool.close(timeout=0)).outcome()
        return due

    monkeypatch.setattr(upkeep, "tend", tend_and_be_late)
    pool.putconn(pool.getconn())
    closing.append(True)
    upkeep.thread.tend(pool._inner)
    until(lambda: not closing)
    until(lambda: pool.stats().size == 0)


def test_a_closed_pool_lends_nothing(make_pool):
    pool = make_pool()
    pool.close()
    with pytest.raises(PoolClosed, match="'shop'"):
        pool.getconn()
    with pytest.raises(PoolClosed), pool.connection():
        pass


def test_to_close_twice_is_harmless(make_pool):
    pool = make_pool()
    pool.close()
    pool.close()


def test_those_who_wait_get_pool_closed_at_once(make_pool):
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    waiting = Thread(pool.getconn)
    until(lambda: pool.stats().waiting == 1)
    pool.close(timeout=0)
    with pytest.raises(PoolClosed, match="while waiting"):
        waiting.outcome()
    conn.close()


def test_borrowers_may_finish_within_the_timeout(fake, make_pool):
    pool = make_pool()
    conn = pool.getconn()
    closing = Thread(lambda: pool.close(timeout=10))
    until(lambda: pool.closed)
    conn.cursor().execute("select 1")
    pool.putconn(conn)
    closing.outcome()
    assert fake.open == 0


def test_what_comes_back_after_the_timeout_is_closed_on_return(fake, make_pool):
    pool = make_pool()
    conn = pool.getconn()
    pool.close(timeout=0.01)
    assert fake.open == 1
    pool.putconn(conn)
    until(lambda: fake.open == 0)


def test_a_with_block_closes_the_pool(fake):
    with Pool({}, driver=FakeDriver(fake)) as pool:
        pool.putconn(pool.getconn())
    assert pool.closed
    assert fake.open == 0


def test_dropping_the_last_reference_closes_the_pool(fake):
    pool = Pool({}, driver=FakeDriver(fake), name="dropped")
    pool.putconn(pool.getconn())
    assert fake.open == 1
    del pool
    until(lambda: fake.open == 0)  # at once, but that upkeep may be looking at a new pool
    assert "dropped" not in [pool.name for pool in pools()]


def test_a_connection_that_outlives_its_pool_is_closed_by_its_own_close(fake):
    pool = Pool({}, driver=FakeDriver(fake))
    conn = pool.getconn()
    gone = weakref.ref(pool)
    del pool
    until(lambda: gone() is None)
    conn.close()
    assert fake.open == 0


def test_pools_lists_the_live_pools_by_name(make_pool):
    make_pool(name="b")
    make_pool(name="a")
    closed = make_pool(name="c")
    closed.close()
    assert [pool.name for pool in pools() if pool.name in "abc"] == ["a", "b"]


def test_unnamed_pools_are_numbered(fake):
    first, second = (Pool({}, driver=FakeDriver(fake)) for _ in range(2))
    assert first.name.startswith("pool-")
    assert first.name != second.name


def test_the_repr_shows_the_state_and_no_secret(fake):
    dsn = "postgresql://app:s3cret@db/shop"
    with Pool(dsn, driver=FakeDriver(fake), name="shop", max_size=3) as pool:
        assert repr(pool) == "<Pool 'shop' fake host=db dbname=shop 0 of 3>"
    assert "closed" in repr(pool)
    with Pool({"dbname": dsn}, driver=FakeDriver(fake)) as pool:  # libpq takes a DSN there
        assert "s3cret" not in repr(pool)


EXIT = """
import threading, time
from multipool import Pool
from multipool.testing.fake import FakeDriver
pool = Pool({}, driver=FakeDriver(), max_size=2, min_size=1, max_idle=5)
pool.wait()
leased = [pool.getconn(), pool.getconn()]
waiting = threading.Thread(target=pool.getconn, daemon=True)
waiting.start()
while not pool.stats().waiting: time.sleep(0.001)
leased.pop().close()
print("bye")
"""


def test_the_interpreter_exits_without_a_word_with_idle_leased_and_waiting():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", EXIT],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "bye\n", "")


def test_a_getconn_that_was_kept_without_its_pool_says_whose_it_was(fake):
    pool = Pool("dbname=shop", driver=FakeDriver(fake), name="shop")
    getconn, putconn = pool.getconn, pool.putconn
    conn = getconn()
    del pool
    with pytest.raises(FakeDriver.OperationalError, match="'shop'") as caught:
        getconn()
    assert isinstance(caught.value, PoolClosed)
    putconn(conn)
    assert fake.open == 0


def test_who_waits_in_a_pool_that_is_dropped_is_told(fake):
    pool = Pool("dbname=shop", driver=FakeDriver(fake), max_size=1)
    getconn, line = pool.getconn, pool._inner.waiting
    conn = getconn()
    waiting = Thread(getconn)
    until(lambda: line)
    del pool
    with pytest.raises(PoolClosed):
        waiting.outcome()
    conn.close()


def test_what_an_interrupted_waiter_was_given_as_the_pool_closed_is_closed_too(
    fake, make_pool, monkeypatch
):
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    wait = Waiter.wait

    def interrupted(waiter, timeout):
        wait(waiter, timeout)
        if waiter.grant is not None:
            pool.close(timeout=0)
            raise KeyboardInterrupt

    monkeypatch.setattr(Waiter, "wait", interrupted)
    waiting = Thread(pool.getconn)
    until(lambda: pool.stats().waiting)
    pool.putconn(conn)
    with pytest.raises(KeyboardInterrupt):
        waiting.outcome()
    until(lambda: (fake.open, pool.stats().size) == (0, 0))


def test_a_finaliser_may_ask_for_the_pools_while_its_thread_does(make_pool):
    kept = [make_pool(name=f"shop {number}", upkeep="inline") for number in range(50)]

    class Asking:
        def __init__(self):
            self.itself = self

        def __del__(self):
            pools()

    def ask():
        for _ in range(200):
            Asking()
            assert len(pools()) >= len(kept)

    threshold = gc.get_threshold()
    gc.set_threshold(5)
    try:
        Thread(ask).outcome(20)
    finally:
        gc.set_threshold(*threshold)


def test_a_pool_is_not_copied(make_pool):
    with pytest.raises(TypeError, match="one process"):
        copy.copy(make_pool())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc to count in")
def test_an_interrupt_while_a_connection_is_closed_leaves_no_descriptor(make_pool, monkeypatch):
    """Which would keep its session alive."""

    def interrupt(driver, conn):
        raise KeyboardInterrupt

    pool = make_pool()
    with pool.connection() as conn:
        before = len(list(Path("/proc/self/fd").iterdir()))
        monkeypatch.setattr(FakeDriver, "close", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pool._inner.caretaker.end(conn, patience=1.0)
        monkeypatch.undo()
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_inline_a_silent_server_keeps_a_place_for_long_and_the_caller_for_a_moment(
    fake, make_pool, monkeypatch
):
    """A budget waits long for a server to hang up, lest there be one connection too many."""
    monkeypatch.setattr(inner, "GOODBYE", 0.05)
    pool = make_pool(upkeep="inline", max_size=1)
    pool._inner._goodbye = PATIENT_GOODBYE
    conn = pool.getconn()
    pid = conn.backend_pid
    fake.always("close", Raise(errors.OperationalError("no answer")))
    pool.drain()
    began = time.monotonic()
    pool.putconn(conn)
    assert time.monotonic() - began < PATIENT_GOODBYE / 2
    assert (pool.stats().size, fake.open) == (1, 1)
    with pytest.raises(PoolTimeout):
        pool.getconn(timeout=0)
    fake.kill(pid)
    with pool.connection(timeout=0) as conn:
        assert conn.backend_pid != pid
    assert fake.peak == 1


def test_inline_a_silent_server_keeps_a_place_no_longer_than_it_should(
    fake, make_pool, monkeypatch
):
    monkeypatch.setattr(inner, "GOODBYE", 0.05)
    pool = make_pool(upkeep="inline", max_size=1)
    pool._inner._goodbye = 0.5
    conn = pool.getconn()
    fake.always("close", Raise(errors.OperationalError("no answer")))
    pool.drain()
    pool.putconn(conn)
    began = time.monotonic()
    pool.close()
    assert pool.stats().size == 0
    assert 0.3 < time.monotonic() - began < PATIENT_GOODBYE / 2
