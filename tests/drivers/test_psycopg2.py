"""psycopg2's adapter, by the suite that every adapter passes, and what is its own."""

from __future__ import annotations

import io
from typing import ClassVar

import psycopg2
import psycopg2.extensions
import pytest
from hearing import NOTICE, Heard
from psycopg2.extensions import ISOLATION_LEVEL_SERIALIZABLE
from psycopg2.extras import RealDictCursor, execute_values

from multipool import Pool, PoolError
from multipool.connecting import with_timeout
from multipool.driver import IDLE
from multipool.testing.compliance import DriverCompliance
from multipool_psycopg2 import driver


class TestPsycopg2(DriverCompliance):
    driver = driver
    client_settings: ClassVar = {
        "autocommit": True,
        "isolation_level": ISOLATION_LEVEL_SERIALIZABLE,
        "readonly": True,
        "deferrable": True,
        "cursor_factory": RealDictCursor,
    }

    @pytest.fixture
    def target(self, params):
        return params


@pytest.fixture
def conn(params):
    conn = driver.connect(params, timeout=10)
    yield conn
    driver.close(conn)


def ask(conn, sql):
    with conn.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def test_isolation_set_under_autocommit_does_not_stay_on_the_server(conn):
    """psycopg2 then sets the session's default, so it is the server that must forget."""
    settings = driver.remember(conn)
    conn.autocommit = True
    conn.isolation_level = ISOLATION_LEVEL_SERIALIZABLE
    assert ask(conn, "show default_transaction_isolation") == "serializable"
    driver.restore(conn, settings)
    assert ask(conn, "show default_transaction_isolation") == "read committed"


def test_a_configured_isolation_survives_the_pools_own_statements(conn):
    driver.execute(conn, "set default_transaction_isolation to 'repeatable read'")
    conn.isolation_level = ISOLATION_LEVEL_SERIALIZABLE
    driver.set_parameter(conn, "multipool.test", "1")
    assert conn.isolation_level == ISOLATION_LEVEL_SERIALIZABLE
    assert ask(conn, "show transaction_isolation") == "serializable"
    assert ask(conn, "show default_transaction_isolation") == "repeatable read"


def test_a_type_registered_on_the_connection_works_and_does_not_stay(conn):
    settings = driver.remember(conn)
    shout = psycopg2.extensions.new_type((25,), "SHOUT", lambda value, _: value.upper())
    psycopg2.extensions.register_type(shout, conn)
    assert ask(conn, "select 'a'::text") == "A"
    driver.rollback(conn)
    driver.restore(conn, settings)
    assert ask(conn, "select 'a'::text") == "a"


def test_notices_of_one_borrower_are_not_shown_to_the_next(conn):
    settings = driver.remember(conn)
    driver.execute(conn, "do $$ begin raise notice 'secret'; end $$")
    assert "secret" in conn.notices[0]
    driver.restore(conn, settings)
    assert conn.notices == []


def test_the_c_functions_of_extras_and_copy_go_on_working(conn):
    with conn.cursor() as cursor:
        cursor.execute("create temporary table t (n integer, s text)")
        execute_values(cursor, "insert into t values %s", [(1, "a"), (2, "b")])
        cursor.copy_expert("copy t from stdin", io.StringIO("3\tc\n"))
        cursor.execute("select n, s from t order by n")
        assert cursor.fetchall() == [(1, "a"), (2, "b"), (3, "c")]


def test_a_cursor_factory_may_be_a_parameter(params):
    conn = driver.connect({**params, "cursor_factory": RealDictCursor}, timeout=10)
    try:
        with conn.cursor() as cursor:
            cursor.execute("select 1 as n")
            assert cursor.fetchone() == {"n": 1}
    finally:
        driver.close(conn)


def test_a_transaction_left_prepared_is_refused_at_the_return(server):
    """Its status says idle, so this is where the pool learns of it."""
    conn = driver.connect(server.params, timeout=10)
    settings = driver.remember(conn)
    conn.tpc_begin(conn.xid(1, "multipool", "test"))
    ask(conn, "select 1")
    conn.tpc_prepare()
    assert driver.status(conn) == IDLE
    with pytest.raises(PoolError, match="prepared"):
        driver.restore(conn, settings)
    conn.tpc_rollback()
    driver.close(conn)


@pytest.mark.parametrize(
    ("given", "timeout", "expected"),
    [
        ({}, None, None),
        ({}, 0.1, 2),
        ({}, 7.2, 8),
        ({"connect_timeout": "3"}, 7, 3),
        ({"connect_timeout": "30"}, 7, 7),
        ({"connect_timeout": 0}, 7, 7),
        ({"connect_timeout": "3"}, None, "3"),
    ],
)
def test_the_shorter_timeout_counts_in_whole_seconds_and_two_at_least(given, timeout, expected):
    assert with_timeout(given, timeout).get("connect_timeout") == expected


def test_a_reset_by_the_borrower_leaves_the_next_one_what_was_configured(dsn):
    def configure(conn):
        conn.cursor().execute("set search_path to pg_catalog")
        conn.commit()

    with Pool(dsn, driver="psycopg2", max_size=1, configure=configure) as pool:
        with pool.connection() as conn:
            conn.reset()
        with pool.connection() as conn:
            assert ask(conn, "show search_path") == "pg_catalog"


def _borrow_to_write(conn):
    conn.set_session(readonly=False, autocommit=True)
    assert ask(conn, "show transaction_read_only") == "off"


def _borrow_for_a_transaction(conn):
    conn.autocommit = False
    ask(conn, "select 1")
    conn.commit()


def _borrow_for_a_transaction_by_set_session(conn):
    conn.set_session(autocommit=False)
    ask(conn, "select 1")
    conn.commit()


def _borrow_for_a_transaction_by_a_level(conn):
    conn.set_isolation_level(ISOLATION_LEVEL_SERIALIZABLE)


def _borrow_to_be_serializable(conn):
    conn.autocommit = True
    conn.isolation_level = ISOLATION_LEVEL_SERIALIZABLE


@pytest.mark.parametrize(
    "configure",
    [
        lambda conn: conn.set_session(readonly=True, autocommit=True),
        lambda conn: driver.execute(conn, "set default_transaction_read_only to on"),
    ],
    ids=["set_session", "by SQL"],
)
@pytest.mark.parametrize(
    "borrow",
    [
        _borrow_to_write,
        _borrow_for_a_transaction,
        _borrow_for_a_transaction_by_set_session,
        _borrow_for_a_transaction_by_a_level,
        _borrow_to_be_serializable,
    ],
)
def test_what_was_configured_to_read_only_does_so_whatever_a_borrower_sets(dsn, configure, borrow):
    """In autocommit psycopg2 sets the session's default, and takes it back when it leaves that."""
    with Pool(dsn, driver="psycopg2", max_size=1, configure=configure) as pool:
        with pool.connection() as conn:
            kept = conn.autocommit, conn.readonly, conn.isolation_level
            pid = conn.get_backend_pid()
            assert ask(conn, "show transaction_read_only") == "on"
            conn.rollback()
            borrow(conn)
        with pool.connection() as conn:
            assert conn.get_backend_pid() == pid, "the connection was replaced, not reset"
            assert (conn.autocommit, conn.readonly, conn.isolation_level) == kept
            assert ask(conn, "show transaction_read_only") == "on"
            assert ask(conn, "show transaction_isolation") == "read committed"


def test_autocommit_alone_costs_no_reset(dsn, monkeypatch):
    resets = []
    monkeypatch.setattr(type(driver), "reset", lambda *_: resets.append(1))
    with Pool(dsn, driver="psycopg2", max_size=1) as pool:
        with pool.connection() as conn:
            conn.set_session(autocommit=True)
            conn.autocommit = False
        with pool.connection() as conn:
            conn.set_session(readonly=True)
    assert not resets


def test_a_handler_of_notices_that_was_configured_stays_and_costs_no_connection(dsn):
    heard = Heard()

    def configure(conn):
        conn.notices = heard

    with Pool(dsn, driver="psycopg2", max_size=1, configure=configure) as pool:
        for _ in range(2):
            with pool.connection() as conn:
                conn.cursor().execute(NOTICE)
        assert heard.heard == 2
        assert pool.stats().opened == 1


def test_a_handler_of_notifications_is_the_borrowers_own(dsn):
    heard = Heard()
    with Pool(dsn, driver="psycopg2", max_size=1) as pool:
        with pool.connection() as conn:
            conn.notifies = heard
        with pool.connection() as conn:
            assert conn.notifies == []
            conn.autocommit = True
            conn.cursor().execute("listen news; notify news")
        assert heard.heard == 0
        assert pool.stats().opened == 1
