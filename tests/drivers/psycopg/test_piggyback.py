"""psycopg's kinds of cursors, on a connection whose BEGIN travels with the first statement."""

from __future__ import annotations

from typing import ClassVar

import psycopg
import pytest
from psycopg import sql
from support import Thread, piggybacking, until

from multipool.driver import IDLE, INERROR, INTRANS
from multipool.testing.compliance import DriverCompliance
from multipool.testing.proxy import Proxy
from multipool_psycopg import driver


class TestPiggybacking(DriverCompliance):
    driver = piggybacking(driver)
    client_settings: ClassVar = {
        "autocommit": True,
        "isolation_level": psycopg.IsolationLevel.SERIALIZABLE,
        "read_only": True,
        "deferrable": True,
        "row_factory": psycopg.rows.dict_row,
    }

    @pytest.fixture
    def target(self, params):
        return params

    def payloads(self, conn):
        return [notify.payload for notify in conn.notifies(timeout=0)]


@pytest.fixture
def proxy(params):
    with Proxy(params) as proxy:
        yield proxy


@pytest.fixture
def conn(proxy):
    conn = driver.connect(proxy.params, timeout=10)
    driver.piggyback_begin(conn)
    proxy.round_trips = 0
    yield conn
    driver.close(conn)


@pytest.mark.parametrize("factory", [psycopg.Cursor, psycopg.ClientCursor, psycopg.RawCursor])
def test_values_bound_on_either_side_travel_with_the_begin(conn, proxy, factory):
    mark = "$1" if factory is psycopg.RawCursor else "%s"
    conn.cursor_factory = factory
    row = conn.execute(f"select {mark}::text, 2", ("a",), binary=factory is psycopg.Cursor)
    assert row.fetchone() == ("a", 2)
    assert (driver.status(conn), proxy.round_trips) == (INTRANS, 1)
    assert conn.execute("select 3").fetchone() == (3,)
    conn.commit()
    assert proxy.round_trips == 3


def test_a_statement_is_prepared_after_as_many_uses_as_ever(conn, proxy):
    conn.prepare_threshold = 2
    counts = []
    for number in range(4):
        before = proxy.round_trips
        assert conn.execute("select %s::integer", (number,)).fetchone() == (number,)
        conn.commit()
        counts.append(proxy.round_trips - before)
    # The third is prepared by itself first, the fourth is prepared already.
    assert counts == [2, 2, 4, 2]
    prepared = conn.execute("select count(*) from pg_prepared_statements").fetchone()
    assert prepared == (1,)


def test_a_composed_statement_has_a_begin_of_its_own(conn):
    assert conn.execute(sql.SQL("select {}").format(1)).fetchone() == (1,)
    assert driver.status(conn) == INTRANS


def test_an_error_on_our_side_of_the_first_statement_leaves_the_connection_usable(conn):
    with pytest.raises(psycopg.ProgrammingError, match="adapt"):
        conn.execute("select %s", (object(),))
    assert driver.status(conn) == IDLE
    with pytest.raises(psycopg.OperationalError, match="65535"):
        conn.execute("select " + ",".join(["%s"] * 65536), [1] * 65536)
    assert driver.status(conn) == INTRANS
    assert conn.execute("select 1").fetchone() == (1,)


def test_a_begin_that_the_server_refuses_is_the_error(conn):
    conn.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    conn._begin_statement = b"BEGIN ISOLATION LEVEL NONSENSE"
    with pytest.raises(psycopg.errors.SyntaxError, match="NONSENSE"):
        conn.execute("select 1")
    assert driver.status(conn) == IDLE
    conn._begin_statement = b""
    assert conn.execute("show transaction_isolation").fetchone() == ("serializable",)


def test_blocks_and_pipelines_of_psycopg_go_on_as_ever(conn):
    with conn.transaction():
        conn.execute("select 1")
        with pytest.raises(psycopg.errors.DivisionByZero), conn.transaction():
            conn.execute("select 1/0")
        assert conn.execute("select 2").fetchone() == (2,)
    assert driver.status(conn) == IDLE
    with conn.pipeline():
        three, four = conn.execute("select 3"), conn.execute("select 4")
    assert (three.fetchone(), four.fetchone()) == ((3,), (4,))
    conn.rollback()


def test_a_transaction_that_another_thread_began_meanwhile_is_not_begun_again(conn):
    notices = []
    conn.add_notice_handler(lambda diag: notices.append(diag.message_primary))
    late, early = conn.cursor(), conn.cursor()
    with conn.lock:
        thread = Thread(lambda: late.execute("select 1"))
        until(lambda: "_CarryingCursor" in [cls.__name__ for cls in type(late).__mro__])
        conn.wait(early._execute_gen("notify news"))
        assert driver.status(conn) == INTRANS
    thread.outcome()
    assert late.fetchone() == (1,)
    assert notices == []


def test_notices_and_notifications_arrive_with_the_first_statement(conn):
    notices, notifies = [], []
    conn.add_notice_handler(lambda diag: notices.append(diag.message_primary))
    conn.add_notify_handler(notifies.append)
    conn.execute("listen news")
    conn.commit()
    conn.execute("select pg_notify('news', 'x')")
    conn.commit()
    assert [each.payload for each in notifies] == ["x"]
    conn.execute("select 1 from pg_class limit 0 /* too long a name follows */").fetchall()
    conn.execute(f"select 1 as {'n' * 64}")
    assert "truncated" in notices[0]
    with pytest.raises(psycopg.Error):
        conn.execute("select nothing")
    assert driver.status(conn) == INERROR
