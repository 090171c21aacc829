"""Behind PgBouncer in transaction mode each statement finds its own way to a server."""

from __future__ import annotations

import pytest
from pgbouncer import SHARED
from support import Thread


@pytest.fixture
def route():
    return "pgbouncer"


@pytest.fixture
def pair(connect):
    """Two clients whose statements go through one and the same server connection."""
    return [connect(dbname=SHARED) for _ in range(2)]


def ask(conn, number):
    """Return what the server says to *number*, by statements of several shapes."""
    cursor = conn.cursor()
    try:
        cursor.execute("select %s::integer, %s::text", (number, f"it's {number}"))
        first = cursor.fetchone()
        cursor.execute(f"select {number} as n{number}")
        second = cursor.fetchone(), cursor.description[0][0]
        cursor.execute("select %s::integer[]", ([number] * 3,))
        return tuple(first), tuple(second[0]), second[1], cursor.fetchone()[0]
    finally:
        cursor.close()


def expected(number):
    return (number, f"it's {number}"), (number,), f"n{number}", [number] * 3


@pytest.mark.parametrize("autocommit", [False, True])
def test_two_clients_at_once_each_get_their_own_answers(driver, pair, autocommit):
    def client(conn, numbers):
        conn.autocommit = autocommit
        for number in numbers:
            assert ask(conn, number) == expected(number)
            driver.commit(conn)

    threads = [
        Thread(lambda conn=conn, first=first: client(conn, range(first, first + 300, 2)))
        for first, conn in enumerate(pair)
    ]
    for thread in threads:
        thread.outcome(60)


def test_an_error_of_one_client_does_not_reach_the_other(driver, pair):
    one, two = pair
    for number in range(20):
        with pytest.raises(driver.DatabaseError):
            ask_for_nothing(one)
        driver.rollback(one)
        assert ask(two, number) == expected(number)
        driver.rollback(two)


def ask_for_nothing(conn):
    cursor = conn.cursor()
    try:
        cursor.execute("select %s / 0", (1,))
    finally:
        cursor.close()


def test_many_rows_at_once_arrive_by_each_client(driver, pair):
    one, two = pair
    for conn in (one, two):
        cursor = conn.cursor()
        cursor.execute("create temporary table t (n integer) on commit drop")
        cursor.executemany("insert into t values (%s)", [(number,) for number in range(3000)])
        assert cursor.rowcount == 3000
        cursor.execute("select count(*), sum(n) from t")
        assert tuple(cursor.fetchone()) == (3000, 4498500)
        cursor.close()
        driver.commit(conn)


def test_the_pooler_is_recognised_by_a_backend_pid_of_its_own(driver, conn):
    cursor = conn.cursor()
    cursor.execute("select pg_backend_pid()")
    assert cursor.fetchone()[0] != driver.backend_pid(conn)
