"""psycopg's adapter, by the suite that every adapter passes, and what is its own."""

from __future__ import annotations

import time
from typing import ClassVar

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader

from multipool import Pool, PoolError
from multipool.connecting import with_timeout
from multipool.driver import IDLE
from multipool.testing.compliance import DriverCompliance
from multipool_psycopg import driver


class TestPsycopg(DriverCompliance):
    driver = driver
    client_settings: ClassVar = {
        "autocommit": True,
        "isolation_level": psycopg.IsolationLevel.SERIALIZABLE,
        "read_only": True,
        "deferrable": True,
        "prepare_threshold": None,
        "row_factory": dict_row,
        "cursor_factory": psycopg.ClientCursor,
    }

    @pytest.fixture
    def target(self, params):
        return params

    def payloads(self, conn):
        return [notification.payload for notification in conn.notifies(timeout=0)]


@pytest.fixture
def conn(params):
    conn = driver.connect(params, timeout=10)
    yield conn
    driver.close(conn)


class Shout(TextLoader):
    def load(self, data):
        return super().load(data).upper()


def test_a_type_registered_on_the_connection_works_and_does_not_stay(conn):
    settings = driver.remember(conn)
    conn.adapters.register_loader("text", Shout)
    assert conn.execute("select 'a'::text").fetchone() == ("A",)
    driver.rollback(conn)
    driver.restore(conn, settings)
    assert conn.execute("select 'a'::text").fetchone() == ("a",)


def test_a_type_registered_when_configured_stays_and_later_ones_do_not(conn):
    conn.adapters.register_loader("text", Shout)
    settings = driver.remember(conn)
    conn.adapters.register_loader("varchar", Shout)
    row = conn.execute("select 'a'::text, 'b'::varchar").fetchone()
    assert row == ("A", "B")
    driver.rollback(conn)
    driver.restore(conn, settings)
    row = conn.execute("select 'a'::text, 'b'::varchar").fetchone()
    assert row == ("A", "b")


def test_a_connection_whose_adapters_nobody_touched_keeps_them(conn):
    """Making a copy at every return would cost more than the return itself."""
    settings = driver.remember(conn)
    adapters = conn.adapters
    driver.restore(conn, settings)
    assert conn.adapters is adapters


def test_handlers_of_one_borrower_do_not_stay(conn):
    settings = driver.remember(conn)
    heard = []
    conn.add_notice_handler(heard.append)
    conn.add_notify_handler(heard.append)
    driver.restore(conn, settings)
    driver.execute(conn, "listen multipool_test")
    driver.execute(conn, "notify multipool_test")
    driver.execute(conn, "do $$ begin raise notice 'hello'; end $$")
    assert heard == []


def test_a_handler_hears_the_notification_that_drain_reads(conn, params):
    heard = []
    conn.add_notify_handler(heard.append)
    driver.execute(conn, "listen multipool_test")
    other = driver.connect(params, timeout=10)
    driver.execute(other, "notify multipool_test, 'hello'")
    driver.close(other)
    deadline = time.monotonic() + 5
    while not heard and time.monotonic() < deadline:
        assert driver.drain(conn)
    assert [notification.payload for notification in heard] == ["hello"]


def test_a_connection_left_in_pipeline_mode_is_refused_at_the_return(conn):
    settings = driver.remember(conn)
    with conn.pipeline(), pytest.raises(PoolError, match="pipeline"):
        driver.restore(conn, settings)


def test_a_transaction_left_prepared_is_refused_at_the_return(server):
    """Its status says idle, so this is where the pool learns of it."""
    conn = driver.connect(server.params, timeout=10)
    settings = driver.remember(conn)
    conn.tpc_begin(conn.xid(1, "multipool", "test"))
    conn.execute("select 1")
    conn.tpc_prepare()
    assert driver.status(conn) == IDLE
    with pytest.raises(PoolError, match="prepared"):
        driver.restore(conn, settings)
    conn.tpc_rollback()
    driver.close(conn)


def test_the_arguments_of_psycopgs_own_connect_may_be_parameters(params):
    own = {"autocommit": True, "prepare_threshold": None, "row_factory": dict_row}
    driver.check_params({**params, **own})
    conn = driver.connect({**params, **own}, timeout=10)
    try:
        assert conn.autocommit
        assert conn.prepare_threshold is None
        assert conn.execute("select 1 as n").fetchone() == {"n": 1}
    finally:
        driver.close(conn)


def test_a_connection_outside_of_a_pool_is_closed_by_its_with_statement(conn):
    with conn:
        conn.execute("select 1")
    assert conn.closed


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


def test_a_loop_over_notifications_that_was_left_costs_the_connection_and_hangs_nobody(params):
    with Pool(params, driver=driver, max_size=1) as pool:
        with pool.connection() as conn:
            conn.autocommit = True
            conn.execute("listen multipool_test")
            conn.execute("notify multipool_test")
            loop = conn.notifies(timeout=5)
            next(loop)
        with pool.connection() as other:
            assert other is not conn


class Terse(psycopg.Cursor):
    def execute(self, query):
        return super().execute(query)


class Tagging(psycopg.Cursor):
    def execute(self, query, params=None, tag=None):
        self.tag = tag
        return super().execute(query, params)


def test_a_cursor_class_keeps_the_signature_of_its_own_execute(params):
    with Pool(params, driver=driver) as pool, pool.connection() as conn:
        conn.cursor_factory = Terse
        assert conn.cursor().execute("select 1").fetchone() == (1,)
        conn.cursor_factory = Tagging
        cursor = conn.cursor()
        cursor.execute("select %s", (1,), "mine")
        assert cursor.tag == "mine"


def test_a_removed_notice_handler_of_configures_is_there_for_the_next_borrower(params):
    heard = []
    configure = lambda conn: conn.add_notice_handler(heard.append)  # noqa: E731  # the one that is removed
    with Pool(params, driver=driver, max_size=1, configure=configure) as pool:
        with pool.connection() as conn:
            conn.remove_notice_handler(heard.append)
        with pool.connection() as conn:
            conn.execute("do $$ begin raise notice 'hello'; end $$")
    assert len(heard) == 1
