"""How often each driver waits for the server, counted by the proxy."""

from __future__ import annotations

import pytest

from multipool import Pool


@pytest.fixture
def conn(driver, proxy):
    conn = driver.connect(proxy.params, timeout=10)
    proxy.round_trips = 0
    yield conn
    driver.close(conn)


def query(conn):
    cursor = conn.cursor()
    cursor.execute("select %s::text", ("a",))
    assert [tuple(row) for row in cursor.fetchall()] == [("a",)]


def test_a_query_with_a_parameter_is_one_round_trip_in_autocommit(conn, proxy):
    conn.autocommit = True
    query(conn)
    assert proxy.round_trips == 1


def test_a_transaction_of_one_query_is_three_round_trips_at_most(conn, driver, proxy):
    """pg8000's adapter sends BEGIN in one write with the query."""
    query(conn)
    driver.commit(conn)
    assert proxy.round_trips == (2 if driver.name == "pg8000" else 3)


def test_a_checkout_and_a_clean_return_are_none(driver, proxy):
    with Pool(proxy.params, driver=driver) as pool:
        pool.putconn(pool.getconn())
        before = proxy.round_trips
        for _ in range(10):
            pool.putconn(pool.getconn())
        assert proxy.round_trips == before


def test_status_drain_and_restoring_settings_are_none(conn, driver, proxy):
    settings = driver.remember(conn)
    conn.autocommit = True
    assert driver.drain(conn)
    driver.restore(conn, settings)
    driver.status(conn)
    driver.rollback(conn)
    driver.commit(conn)
    assert proxy.round_trips == 0


@pytest.mark.parametrize("autocommit", [False, True])
def test_a_statement_of_the_pools_own_is_one(conn, driver, proxy, autocommit):
    conn.autocommit = autocommit
    driver.execute(conn, "select 1")
    driver.set_parameter(conn, "multipool.test", "a'b")
    assert proxy.round_trips == 2
