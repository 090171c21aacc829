"""Cases 14 and 20: returns that are none, and a thread that would wait for itself."""

from __future__ import annotations

import copy
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hard_cases.outside import ask
from support import Thread, until

from multipool import ConnectionNotLeased, PoolTimeout, hotpath
from multipool.strict import LeasedCursor


def test_a_second_return_is_refused(make_pool):
    pool = make_pool()
    conn = pool.getconn()
    pool.putconn(conn)
    with pytest.raises(ConnectionNotLeased, match="returned already"):
        pool.putconn(conn)
    with pytest.raises(ConnectionNotLeased, match="returned already"):
        conn.close()
    assert (pool.stats().idle, pool.stats().size) == (1, 1)


def test_a_connection_of_nobodys_is_refused_and_left_alone(make_pool, driver, params):
    pool = make_pool()
    conn = driver.connect(params, 10)
    try:
        with pytest.raises(ConnectionNotLeased, match="not one of this pool's"):
            pool.putconn(conn)
        assert ask(conn, "select 1") == [(1,)]
    finally:
        driver.close(conn)


def test_the_connection_of_another_pool_is_refused_and_stays_with_its_own(make_pool):
    mine, other = make_pool(name="mine"), make_pool(name="other")
    conn = other.getconn()
    with pytest.raises(ConnectionNotLeased, match="'mine'"):
        mine.putconn(conn)
    assert ask(conn, "select 1") == [(1,)]
    other.putconn(conn)


def test_a_connection_closed_by_the_drivers_own_hand_is_replaced(make_pool, driver):
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    driver.close(conn)
    pool.putconn(conn)
    with pool.connection(timeout=5) as other:
        assert other is not conn
        assert ask(other, "select 1") == [(1,)]


def test_a_stale_return_by_another_thread_is_refused(make_pool):
    pool = make_pool(max_size=1)
    mine = pool.getconn()
    pool.putconn(mine)
    theirs = Thread(pool.getconn).outcome()
    for give_back in (lambda: pool.putconn(mine), mine.close):
        with pytest.raises(ConnectionNotLeased, match="lease has ended"):
            give_back()
    assert pool.stats().used == 1
    assert ask(theirs, "select 1") == [(1,)]
    Thread(theirs.close).outcome()


def test_a_close_inside_the_block_followed_by_anothers_checkout_returns_nobody_elses(make_pool):
    pool = make_pool(max_size=1)
    with pool.connection() as mine:
        mine.close()
        theirs = Thread(pool.getconn).outcome()
        assert theirs is mine
        ask(theirs, "select 1")
    assert pool.stats().used == 1
    assert ask(theirs, "select 2") == [(2,)]
    Thread(theirs.close).outcome()


def test_a_lease_that_is_ended_by_its_number_is_not_the_next_one(make_pool, driver):
    """Whoever noted the number may come too late, by as little as one call."""
    pool = make_pool(max_size=1)
    conn = pool.getconn()
    slot, serial = conn._multipool_slot, conn._multipool_slot.serial
    status = pool._inner.status
    lent = []

    def hand_on(conn):
        if not lent:
            lent.append(True)
            pool.putconn(conn)
            Thread(lambda: lent.append(pool.getconn())).outcome()
        return status(conn)

    inner = pool._inner
    inner.status = hand_on
    _, _, endlease = hotpath.lay(inner)
    inner.status = status
    assert not endlease(conn, slot, serial)
    assert pool.stats().used == 1
    Thread(lambda: pool.putconn(lent.pop())).outcome()


def test_a_single_use_lease_cannot_be_used_after_its_end(make_pool):
    pool = make_pool(max_size=1, strict=True)
    conn = pool.getconn()
    cursor, other_cursor = conn.cursor(), conn.cursor()
    assert isinstance(cursor, LeasedCursor)
    cursor.execute("select generate_series(1, 5)")
    rows = iter(cursor)
    assert tuple(next(rows)) == (1,)
    fetchone, commit = cursor.fetchone, conn.commit
    assert cursor.connection.cursor
    pool.putconn(conn)
    with pool.connection() as other:
        for stale in (
            conn.close,
            lambda: conn.cursor(),
            lambda: conn.commit(),
            lambda: conn.autocommit,
            lambda: setattr(conn, "autocommit", True),
            lambda: cursor.execute("select 1"),
            lambda: cursor.connection,
            lambda: next(rows),
            lambda: next(iter(cursor)),
            other_cursor.__enter__,
            conn.__enter__,
            fetchone,
            commit,
        ):
            with pytest.raises(ConnectionNotLeased):
                stale()
        assert ask(other, "select 42") == [(42,)]


def test_a_single_use_lease_is_used_as_the_driver_s_own(make_pool):
    pool = make_pool(max_size=1, strict=True)
    with pool.connection() as conn:
        with conn.cursor() as cursor:
            cursor.execute("select generate_series(1, %s)", (3,))
            assert cursor.connection.cursor().connection.unwrap() is conn.unwrap()
            assert tuple(cursor.fetchone()) == (1,)
            assert [tuple(row) for row in cursor] == [(2,), (3,)]
        with conn.cursor(name="on_the_server") as cursor:
            cursor.execute("select 4")
            assert [tuple(row) for row in cursor] == [(4,)]
        assert repr(conn).startswith("<LeasedConnection of ")
        assert not callable(conn)
        assert copy.copy(conn).unwrap() is conn.unwrap()
        before = conn.autocommit
        conn.rollback()
        conn.autocommit = not before
        assert conn.unwrap().autocommit is conn.autocommit is (not before)


def test_what_psycopg_reads_or_ends_later_is_single_use_too(make_pool, driver):
    if driver.name != "psycopg":
        pytest.skip("the others have no blocks and no streams")
    import psycopg

    pool = make_pool(max_size=1, strict=True)
    conn = pool.getconn()
    cursor = conn.execute("select 1")
    assert isinstance(cursor, LeasedCursor)
    assert cursor.execute("select 2; select 3") is cursor
    assert [each.fetchone() for each in cursor.results()] == [(2,), (3,)]
    with conn.transaction() as transaction:
        raise psycopg.Rollback(transaction)
    with cursor.copy("copy (select 5) to stdout") as copying:
        blocks = []
        while block := copying.read():
            blocks.append(bytes(block))
        assert blocks == [b"5\n"]
    with conn.pipeline():
        assert conn.execute("select 6").fetchone() == (6,)
    conn.commit()
    stream = cursor.stream("select generate_series(1, 3)")
    assert list(stream) == [(1,), (2,), (3,)]
    conn.commit()
    block, notifies = conn.transaction(), conn.notifies(timeout=0)

    @conn.transaction()
    def decorated():
        return conn.execute("select 7").fetchone()

    assert decorated() == (7,)
    conn.close()
    with pool.connection():
        for stale in (
            block.__enter__,
            lambda: next(notifies),
            decorated,
        ):
            with pytest.raises(ConnectionNotLeased):
                stale()


def test_a_thread_that_holds_the_whole_pool_is_told_at_once_that_it_would_wait_for_itself(
    make_pool,
):
    pool = make_pool(timeout=30)

    def ask_for_the_first():
        return pool.getconn()

    def ask_for_the_second():
        return pool.getconn()

    held = [ask_for_the_first(), ask_for_the_second()]
    started = time.monotonic()
    with pytest.raises(PoolTimeout, match="would wait for itself") as caught:
        pool.getconn()
    assert time.monotonic() - started < 1
    assert "in ask_for_the_first" in str(caught.value)
    assert "in ask_for_the_second" in str(caught.value)
    while held:
        pool.putconn(held.pop())


def test_an_executors_thread_waits_since_others_may_have_what_it_was_lent(make_pool):
    """As with ``asyncio.to_thread(pool.getconn)``: the thread is not who borrows."""
    pool = make_pool(timeout=30)
    with ThreadPoolExecutor(1) as executor:
        held = [executor.submit(pool.getconn).result() for _ in range(2)]
        waiting = executor.submit(pool.getconn)
        until(lambda: pool.stats().waiting)
        pool.putconn(held.pop())
        held.append(waiting.result())
    while held:
        pool.putconn(held.pop())


def test_a_thread_that_holds_only_part_of_the_pool_waits_for_the_others(make_pool):
    pool = make_pool()
    mine = pool.getconn()
    theirs = Thread(pool.getconn).outcome()
    waiting = Thread(lambda: pool.getconn(timeout=10))
    until(lambda: pool.stats().waiting)
    pool.putconn(theirs)
    pool.putconn(waiting.outcome())
    pool.putconn(mine)
