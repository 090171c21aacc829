"""`Driver.ask`, beyond what the compliance suite asks: one round trip, and nobody notices."""

from __future__ import annotations

from support import read_text_backwards

from multipool import Pool
from multipool.testing.proxy import Proxy


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


def test_text_is_text_whatever_it_is_to_the_user_of_the_connection(driver, params):
    conn = driver.connect(params, 5)
    try:
        read_text_backwards(driver, conn)
        with conn.cursor() as cursor:
            cursor.execute("select 'abc'::text")
            assert tuple(cursor.fetchone()) == ("cba",)
        conn.rollback()
        assert driver.ask(conn, "select %s::text", "abc") == "abc"
    finally:
        driver.close(conn)
