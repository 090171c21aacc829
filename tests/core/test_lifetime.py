"""How long a connection lives, and how many are kept."""

import gc
import time

import pytest
from support import Thread, until

from multipool import PoolTimeout
from multipool.config import PoolConfig
from multipool.inner import Inner
from multipool.testing.fake import Hang, Raise, Sleep, errors


def test_a_connection_past_its_lifetime_is_not_lent_again_though_it_was_idle(fake, make_pool):
    pool = make_pool(max_lifetime=0.1)
    old = pool.getconn()
    pool.putconn(old)
    time.sleep(0.4)
    assert pool.getconn() is not old


def test_a_connection_past_its_lifetime_is_closed_when_it_comes_back(fake, make_pool):
    pool = make_pool(max_lifetime=0.02)
    conn = pool.getconn()
    time.sleep(0.03)
    pool.putconn(conn)
    until(lambda: pool.stats().size == 0)
    assert fake.open == 0


@pytest.mark.parametrize("upkeep", ["thread", "inline"])
def test_a_connection_that_nobody_ever_sees_idle_ends_its_life_too(fake, make_pool, upkeep):
    """Whoever gives it back hands it on to one who waits."""
    pool = make_pool(max_size=1, max_lifetime=0.2, upkeep=upkeep)
    ends = time.monotonic() + 1.5

    def work():
        while time.monotonic() < ends:
            with pool.connection():
                time.sleep(0.01)

    for thread in [Thread(work) for _ in range(3)]:
        thread.outcome()
    assert fake.opened >= 4


def test_an_idle_connection_past_its_lifetime_is_closed_though_nobody_asks(fake, make_pool):
    pool = make_pool(max_lifetime=0.05)
    pool.putconn(pool.getconn())
    until(lambda: fake.open == 0)


def test_a_connection_idle_for_too_long_is_closed_though_nobody_asks(fake, make_pool):
    pool = make_pool(max_idle=0.05)
    pool.putconn(pool.getconn())
    until(lambda: fake.open == 0)


def test_max_idle_leaves_min_size_open(fake, make_pool):
    pool = make_pool(min_size=2, max_idle=0.02)
    pool.wait()
    conns = [pool.getconn() for _ in range(4)]
    for conn in conns:
        pool.putconn(conn)
    until(lambda: fake.open == 2)
    time.sleep(0.05)
    assert fake.open == 2


def test_min_size_is_filled_in_the_background(fake, make_pool):
    make_pool(min_size=3)
    until(lambda: fake.open == 3)


@pytest.mark.parametrize("upkeep", ["thread", "inline"])
def test_min_size_is_filled_by_a_pool_whose_borrowers_wait_for_nobody(fake, make_pool, upkeep):
    """Whatever the driver: some have no least time for connecting."""
    fake.always("connect", Sleep(0.05))
    pool = make_pool(min_size=2, timeout=0, upkeep=upkeep)
    if upkeep == "inline":
        pool.putconn(pool.getconn())
    until(lambda: pool.stats().idle == 2)
    assert pool.stats().connect_errors == 0


def test_a_pool_below_min_size_is_filled_up_again(fake, make_pool):
    pool = make_pool(min_size=2, max_lifetime=0.1)
    pool.wait()
    first = fake.pids
    until(lambda: fake.open == 2 and not fake.pids & first)


def test_wait_returns_once_min_size_is_open(fake, make_pool):
    hang = fake.always("connect", Hang())
    pool = make_pool(min_size=2)
    waiting = Thread(pool.wait)
    hang.wait_until_reached()
    assert waiting.is_alive()
    hang.release()
    waiting.outcome()
    assert pool.stats().idle == 2


def test_wait_raises_pool_timeout(fake, make_pool):
    hang = fake.always("connect", Hang())
    pool = make_pool(min_size=1)
    with pytest.raises(PoolTimeout, match="'shop': min_size=1 not reached within 0.02 s"):
        pool.wait(timeout=0.02)
    hang.release()


def test_wait_raises_the_drivers_error_when_a_connection_cannot_be_opened(fake, make_pool):
    fake.always("connect", Raise(errors.OperationalError("no such role", "28000")))
    pool = make_pool(min_size=1)
    with pytest.raises(errors.OperationalError, match="no such role"):
        pool.wait(timeout=5)


def test_drain_replaces_idle_connections_now_and_leased_ones_on_return(fake, make_pool):
    pool = make_pool()
    idle, leased = pool.getconn(), pool.getconn()
    before = fake.pids
    pool.putconn(idle)
    pool.drain()
    until(lambda: fake.open == 1)
    leased.cursor().execute("select 1")  # goes on working
    pool.putconn(leased)
    until(lambda: fake.open == 0)
    with pool.connection():
        assert not fake.pids & before


def test_resize_to_less_closes_idle_connections_now_and_leased_ones_on_return(fake, make_pool):
    pool = make_pool(max_size=4)
    conns = [pool.getconn() for _ in range(4)]
    pool.putconn(conns.pop())
    pool.resize(max_size=2)
    until(lambda: fake.open == 3)
    pool.putconn(conns.pop())
    until(lambda: fake.open <= 2)
    assert pool.config.max_size == 2
    for conn in conns:
        pool.putconn(conn)
    until(lambda: pool.stats().size <= 2)


def test_resize_to_more_serves_those_who_wait(make_pool):
    pool = make_pool(max_size=1)
    held = pool.getconn()
    waiting = Thread(pool.getconn)
    until(lambda: pool.stats().waiting == 1)
    pool.resize(max_size=2)
    assert waiting.outcome() is not held


def test_a_connection_that_its_borrower_lost_gives_its_place_back(fake, make_pool):
    """The name was dropped, or the thread ended, without a return."""
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    del conn
    gc.collect()
    until(lambda: fake.open == 0)
    pool.putconn(pool.getconn(timeout=1))
    assert pool.stats().lost == 1


def test_a_lost_connection_wakes_whoever_waits(make_pool):
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    waiting = Thread(pool.getconn)
    until(lambda: pool.stats().waiting == 1)
    del conn
    gc.collect()
    waiting.outcome()


def test_a_finaliser_may_return_a_connection_while_its_thread_is_inside_the_pool(make_pool):
    pool = make_pool(max_size=1)

    class Holder:
        def __init__(self):
            self.conn = pool.getconn()

        def __del__(self):
            pool.putconn(self.conn)

    holder = Holder()
    with pool._inner.places.lock:  # as when the collector runs in the midst of a decision
        del holder
        gc.collect()
    assert pool.stats().idle == 1


def test_a_close_that_hangs_keeps_nobody_waiting(fake, make_pool):
    hang = fake.once("close", Hang())
    pool = make_pool(max_size=2, max_lifetime=0.01)
    conn = pool.getconn()
    time.sleep(0.02)
    pool.putconn(conn)
    hang.wait_until_reached()
    pool.putconn(pool.getconn(timeout=1))
    hang.release()


def test_what_is_being_closed_is_not_taken_for_spare(fake, make_pool):
    pool = make_pool(min_size=2, max_idle=0.2)
    pool.wait()
    hang = fake.always("close", Hang())
    conns = [pool.getconn() for _ in range(4)]
    for conn in conns:
        pool.putconn(conn)
    hang.wait_until_reached()
    time.sleep(0.5)
    assert pool.stats().idle >= 2
    hang.release()


def test_the_count_of_checkouts_does_not_fall_while_a_connection_goes(make_pool, monkeypatch):
    """Its own are for a moment neither its place's nor among the totals."""
    pool = make_pool()
    pool.putconn(pool.getconn())
    totals = pool._inner.totals
    add, told = totals.add, [pool.stats().checkouts]

    def look_and_add(*what):
        told.append(pool.stats().checkouts)
        add(*what)
        told.append(pool.stats().checkouts)

    monkeypatch.setattr(totals, "add", look_and_add)
    pool.drain()
    until(lambda: pool.stats().size == 0)
    pool.putconn(pool.getconn())
    assert len(told) > 3
    assert told == sorted(told)
    assert pool.stats().checkouts == 2


def test_two_bounds_that_are_changed_at_once_are_both_in_force(make_pool, monkeypatch):
    pool = make_pool(min_size=0, max_size=4)
    replace, threads = PoolConfig.replace, []

    def replace_and_be_late(config, **changes):
        found = replace(config, **changes)
        if not threads:
            threads.append(Thread(lambda: pool.resize(max_size=7)))
            time.sleep(0.05)  # it may not get further than the lock
        return found

    monkeypatch.setattr(PoolConfig, "replace", replace_and_be_late)
    pool.resize(min_size=1)
    threads[0].outcome()
    assert (pool.config.min_size, pool.config.max_size) == (1, 7)


def test_a_bound_that_is_changed_while_another_is_in_force_at_last(make_pool, monkeypatch):
    pool = make_pool(min_size=0, max_size=4)
    confine, limits = Inner.confine, []

    def confine_late(inner, limit):
        limits.append(limit)
        if len(limits) == 1:
            pool.resize(max_size=7)
        confine(inner, limit)

    monkeypatch.setattr(Inner, "confine", confine_late)
    pool.resize(min_size=1)
    assert pool.config.max_size == pool._inner.places.limit == 7
