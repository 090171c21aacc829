"""Lending a connection and taking it back, when nobody waits."""

import gc
import logging
import threading

import pytest
from support import Thread, until

from multipool import ConnectionNotLeased, Pool, PoolError
from multipool.driver import IDLE
from multipool.testing.fake import FakeDriver, FakeServer, Raise, errors


def test_no_connection_is_opened_before_the_first_checkout(fake, make_pool):
    pool = make_pool()
    assert fake.opened == 0
    pool.putconn(pool.getconn())
    assert fake.opened == 1


def test_a_returned_connection_is_lent_again(fake, make_pool):
    pool = make_pool()
    first = pool.getconn()
    pool.putconn(first)
    assert pool.getconn() is first
    assert fake.opened == 1


def test_the_most_recently_used_connection_is_lent_first(make_pool):
    pool = make_pool()
    older, newer = pool.getconn(), pool.getconn()
    pool.putconn(older)
    pool.putconn(newer)
    assert pool.getconn() is newer


def test_checkout_and_clean_return_of_an_idle_connection_ask_the_server_nothing(fake, make_pool):
    pool = make_pool()
    pool.putconn(pool.getconn())
    before = fake.calls.copy()
    for _ in range(10):
        pool.putconn(pool.getconn())
    assert fake.calls == before


def test_close_of_a_leased_connection_gives_it_back(fake, make_pool):
    pool = make_pool()
    conn = pool.getconn()
    conn.close()
    assert (pool.stats().idle, fake.open) == (1, 1)
    assert pool.getconn() is conn


def test_the_with_block_commits_and_returns(fake, make_pool):
    pool = make_pool()
    with pool.connection() as conn:
        conn.cursor().execute("select 1")
    assert fake.calls["commit"] == 1
    assert conn.status == IDLE
    assert pool.stats().idle == 1


def test_the_with_block_rolls_back_when_it_raises(fake, make_pool):
    pool = make_pool()
    with pytest.raises(ZeroDivisionError), pool.connection() as conn:
        conn.cursor().execute("select 1")
        raise ZeroDivisionError
    assert (fake.calls["commit"], fake.calls["rollback"]) == (0, 1)
    assert pool.stats().idle == 1


def test_a_with_block_that_did_nothing_neither_commits_nor_rolls_back(fake, make_pool):
    with make_pool().connection():
        pass
    assert fake.round_trips == 0


def test_a_commit_that_fails_is_raised_and_the_connection_still_returned(fake, make_pool):
    pool = make_pool()
    fake.once("commit", Raise(errors.OperationalError("deferred constraint", "23503")))
    with pytest.raises(errors.OperationalError, match="deferred"), pool.connection() as conn:
        conn.cursor().execute("select 1")
    assert pool.stats().used == 0


@pytest.mark.parametrize("strict", [False, True])
def test_a_block_inside_a_block_of_the_same_lease_is_refused_and_loses_no_place(make_pool, strict):
    pool = make_pool(max_size=2, strict=strict)
    lease = pool.connection()
    with pytest.raises(ConnectionNotLeased, match="call it for each block"), lease, lease:
        assert pool.stats().used == 2
    gc.collect()
    with lease, pool.connection():
        assert pool.stats().used == 2
    assert pool.stats().used == 0


def test_close_inside_the_with_block_ends_the_lease_once(make_pool):
    """What somebody else borrowed meanwhile is not returned by the end of the block."""
    pool = make_pool()
    with pool.connection() as conn:
        conn.close()
        other = pool.getconn()
        assert other is conn
    assert pool.stats().used == 1
    pool.putconn(other)


def test_a_transaction_left_open_is_rolled_back_on_return(fake, make_pool):
    pool = make_pool()
    conn = pool.getconn()
    conn.cursor().execute("select 1")
    pool.putconn(conn)
    assert fake.calls["rollback"] == 1
    assert pool.getconn() is conn
    assert conn.status == IDLE


def test_a_connection_that_cannot_be_rolled_back_is_closed_and_replaced(fake, make_pool, caplog):
    pool = make_pool()
    fake.once("rollback", Raise(errors.OperationalError("no")))
    broken = pool.getconn()
    broken.cursor().execute("select 1")
    with caplog.at_level(logging.WARNING, logger="multipool"):
        pool.putconn(broken)
    assert "'shop'" in caplog.text
    assert pool.getconn() is not broken


def test_a_connection_whose_session_ended_is_not_lent_again(fake, make_pool):
    pool = make_pool()
    dead = pool.getconn()
    fake.kill(dead.backend_pid)
    with pytest.raises(errors.OperationalError):
        dead.cursor().execute("select 1")
    pool.putconn(dead)
    with pool.connection() as conn:
        conn.cursor().execute("select 1")


def test_a_second_return_is_refused(make_pool):
    pool = make_pool()
    conn = pool.getconn()
    pool.putconn(conn)
    with pytest.raises(ConnectionNotLeased, match="'shop'.*returned already"):
        pool.putconn(conn)
    with pytest.raises(ConnectionNotLeased, match="returned already"):
        conn.close()
    assert pool.stats().idle == 1


@pytest.mark.parametrize("stranger", [None, object(), "a string"])
def test_something_that_is_no_connection_of_the_pool_is_refused(make_pool, stranger):
    with pytest.raises(ConnectionNotLeased, match="'shop'"):
        make_pool().putconn(stranger)


def test_the_connection_of_another_pool_is_refused_and_stays_with_its_own(make_pool):
    mine, other = make_pool(name="mine"), make_pool(name="other")
    conn = other.getconn()
    with pytest.raises(ConnectionNotLeased, match="'mine'"):
        mine.putconn(conn)
    other.putconn(conn)
    assert other.stats().idle == 1


def test_of_many_threads_that_return_one_lease_only_one_comes_through(make_pool):
    pool = make_pool(max_size=1)
    for _ in range(50):
        conn = pool.getconn()
        refused = []
        start = threading.Barrier(4)

        def give_back(conn=conn, start=start, refused=refused):
            start.wait()
            try:
                pool.putconn(conn)
            except ConnectionNotLeased:
                refused.append(1)

        threads = [threading.Thread(target=give_back) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 3
        assert pool.stats().idle == 1


def test_configure_runs_once_for_each_connection(make_pool):
    seen = []
    pool = make_pool(configure=seen.append)
    conn = pool.getconn()
    pool.putconn(conn)
    pool.putconn(pool.getconn())
    assert seen == [conn]


def test_an_error_in_configure_reaches_the_caller_and_nothing_stays_open(fake, make_pool):
    def configure(conn):
        raise ZeroDivisionError("in configure")

    pool = make_pool(configure=configure, max_size=1)
    for _ in range(3):  # the one place is free again each time
        with pytest.raises(ZeroDivisionError, match="in configure") as caught:
            pool.getconn()
        assert "pool 'shop'" in caught.value.__notes__[0]
    assert fake.open == 0


def test_configure_may_not_leave_a_transaction_open(fake, make_pool):
    pool = make_pool(configure=lambda conn: conn.cursor().execute("select 1"))
    with pytest.raises(PoolError, match="configure left a transaction open"):
        pool.getconn()
    assert fake.open == 0


def test_configure_may_not_close_the_connection(fake, make_pool):
    pool = make_pool(configure=lambda conn: conn.close())
    with pytest.raises(PoolError, match="configure closed the connection, or left it broken"):
        pool.getconn()
    assert fake.open == 0


def test_check_runs_at_each_checkout_of_an_idle_connection(make_pool):
    seen = []
    pool = make_pool(check=seen.append)
    for _ in range(3):
        pool.putconn(pool.getconn())
    assert len(seen) == 2


def test_a_connection_that_fails_its_check_is_replaced_without_an_error(fake, make_pool):
    def check(conn):
        conn.cursor().execute("select 1")

    pool = make_pool(check=check)
    conn = pool.getconn()
    pool.putconn(conn)
    fake.kill(conn.backend_pid)
    other = pool.getconn()
    assert other is not conn
    until(lambda: pool.stats().size == 1)


def test_reset_runs_at_each_return(make_pool):
    seen = []
    pool = make_pool(reset=seen.append)
    conn = pool.getconn()
    pool.putconn(conn)
    assert seen == [conn]


def test_a_connection_whose_reset_fails_is_replaced_without_an_error(make_pool, caplog):
    def reset(conn):
        raise ZeroDivisionError

    pool = make_pool(reset=reset)
    conn = pool.getconn()
    pool.putconn(conn)
    assert pool.getconn() is not conn
    assert "ZeroDivisionError" in caplog.text


def test_the_driver_may_be_given_as_an_object():
    driver = FakeDriver(FakeServer())
    with Pool({"dbname": "shop"}, driver=driver) as pool:
        assert pool.driver is driver


def test_a_block_ends_no_lease_but_its_own_whoever_comes_in_between(fake):
    """Its look at the connection is a call, in which other threads may run."""
    between = []

    class Driver(FakeDriver):
        def status(self, conn):
            for action in between:
                between.clear()
                action()
            return super().status(conn)

    pool = Pool("dbname=shop", driver=Driver(fake), max_size=1)
    pool.putconn(pool.getconn())

    def lend_again():
        pool.putconn(conn)
        theirs.append(Thread(pool.getconn).outcome())

    theirs = []
    with pool.connection() as conn:
        between.append(lend_again)
    assert pool.stats().used == 1
    pool.close(timeout=0)
