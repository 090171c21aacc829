"""`Driver.ask`: one value, in one round trip, and nobody notices."""

from __future__ import annotations

import pytest

from multipool import Pool
from multipool.driver import IDLE
from multipool.testing.proxy import Proxy


@pytest.mark.parametrize("autocommit", [True, False])
def test_it_returns_one_value_as_text_and_leaves_the_connection_as_it_was(
    driver, params, autocommit
):
    conn = driver.connect(params, 5)
    try:
        conn.autocommit = autocommit
        assert driver.ask(conn, "select upper(%s) || %s", "a'b", "%s") == "A'B%s"
        assert driver.ask(conn, "select null::text") is None
        assert driver.ask(conn, "select 'none'::text where false") is None
        assert driver.status(conn) == IDLE
        assert conn.autocommit is autocommit
    finally:
        driver.close(conn)


def test_an_error_is_the_drivers_and_leaves_the_connection_of_use(driver, params):
    conn = driver.connect(params, 5)
    try:
        with pytest.raises(driver.Error) as caught:
            driver.ask(conn, "select 1 / %s::int", "0")
        assert driver.sqlstate(caught.value) == "22012"
        assert driver.status(conn) == IDLE
        assert driver.ask(conn, "select 'well'::text") == "well"
    finally:
        driver.close(conn)


def test_it_costs_one_round_trip(driver, params):
    with Proxy(params) as proxy:
        conn = driver.connect(proxy.params, 5)
        try:
            before = proxy.round_trips
            driver.ask(conn, "select %s", "well")
            assert proxy.round_trips == before + 1
        finally:
            driver.close(conn)


def test_it_heeds_no_factory_and_prepares_nothing(driver, params):
    pool = Pool(params, driver=driver, max_size=1, prepare={"threshold": 1})
    with pool, pool.connection() as conn:
        if driver.name == "psycopg":
            from psycopg.rows import dict_row

            conn.row_factory = dict_row
        if driver.name == "psycopg2":
            from psycopg2.extras import DictCursor

            conn.cursor_factory = DictCursor
        for _ in range(7):
            assert driver.ask(conn, "select %s", "well") == "well"
        prepared = driver.ask(conn, "select count(*)::text from pg_prepared_statements")
        assert prepared == "0"
        assert pool.plans() == []
