"""What psycopg2 alone offers, on a connection whose BEGIN travels with the first statement.

Each story is told to psycopg2's own connection too, and must end the same.
"""

from __future__ import annotations

import io
from typing import ClassVar

import psycopg2
import pytest
from psycopg2 import extensions, extras
from support import piggybacking

from multipool.driver import IDLE, INTRANS
from multipool.testing.compliance import DriverCompliance
from multipool_psycopg2 import driver


class TestPiggybacking(DriverCompliance):
    driver = piggybacking(driver)
    client_settings: ClassVar = {
        "autocommit": True,
        "isolation_level": extensions.ISOLATION_LEVEL_SERIALIZABLE,
        "readonly": True,
        "deferrable": True,
        "cursor_factory": extras.RealDictCursor,
    }

    @pytest.fixture
    def target(self, params):
        return params


@pytest.fixture
def pair(params):
    """A connection whose BEGIN travels, and one of psycopg2's own."""
    pair = [driver.connect(params, timeout=10) for _ in range(2)]
    driver.piggyback_begin(pair[0])
    yield pair
    for conn in pair:
        driver.close(conn)


def ask(conn, sql, *values):
    with conn.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()[0]


def test_the_cursor_shows_what_was_executed_and_not_the_begin(pair):
    for conn in pair:
        with conn.cursor() as cursor:
            assert cursor.query is None
            cursor.execute("select %s", ("a",))
            assert cursor.query == b"select 'a'"
            with pytest.raises(psycopg2.Error):
                cursor.execute("select nothing")
            assert cursor.query == b"select nothing"
            conn.rollback()
            with pytest.raises(psycopg2.Error):
                cursor.execute("select 1/0")
            assert cursor.query == b"select 1/0"
            conn.rollback()
            cursor.execute(b"select 1")
            assert cursor.query == b"select 1"
            cursor.executemany("select %s", [(1,)])
            assert cursor.query == b"select 1"
            conn.rollback()
            cursor.execute("select 2")
            conn.rollback()
            conn.autocommit = True
            cursor.execute("select 3")
            assert cursor.query == b"select 3"
            conn.autocommit = False
        conn.rollback()


def test_the_status_tells_of_the_transaction(pair):
    for conn in pair:
        assert conn.status == extensions.STATUS_READY
        ask(conn, "select 1")
        assert conn.status == extensions.STATUS_IN_TRANSACTION
        assert conn.info.transaction_status == conn.get_transaction_status() == INTRANS
        conn.rollback()
        assert conn.status == extensions.STATUS_READY


def test_a_type_that_is_looked_up_leaves_no_transaction_open(pair):
    for conn in pair:
        with conn.cursor() as cursor:
            cursor.execute("create type pg_temp.pair as (a integer, b integer)")
        conn.commit()
        extras.register_composite("pg_temp.pair", conn)
        assert conn.get_transaction_status() == IDLE
        assert tuple(ask(conn, "select row(1, 2)::pg_temp.pair")) == (1, 2)
        conn.rollback()


def test_copy_and_calls_belong_to_the_transaction(pair):
    for conn in pair:
        with conn.cursor() as cursor:
            cursor.execute("create temporary table t (n integer)")
            conn.commit()
            cursor.copy_expert("copy t from stdin", io.StringIO("1\n"))
            conn.rollback()
            cursor.copy_from(io.StringIO("2\n"), "t")
            conn.rollback()
            cursor.copy_to(io.StringIO(), "t")
            assert conn.get_transaction_status() == INTRANS
            conn.rollback()
            cursor.callproc("abs", (-1,))
            assert cursor.fetchone() == (1,)
            assert conn.get_transaction_status() == INTRANS
            conn.rollback()
            cursor.execute("select count(*) from t")
            assert cursor.fetchone() == (0,)
        conn.rollback()


def test_many_values_at_once_are_undone_with_the_transaction(pair):
    for conn in pair:
        with conn.cursor() as cursor:
            cursor.execute("create temporary table t (n integer, s text)")
            conn.commit()
            extras.execute_values(cursor, "insert into t values %s", [(1, "a"), (2, ";")])
            conn.rollback()
            cursor.execute("select count(*) from t")
            assert cursor.fetchone() == (0,)
        conn.rollback()


def test_cursor_classes_keep_their_ways(pair):
    for conn in pair:
        for factory in (extras.RealDictCursor, extras.DictCursor, extras.NamedTupleCursor):
            with conn.cursor(cursor_factory=factory) as cursor:
                assert isinstance(cursor, factory)
                cursor.execute("select 1 as n")
                (row,) = cursor.fetchall()
                assert (row.n if hasattr(row, "n") else row["n"]) == 1
                assert cursor.connection is conn
            with conn.cursor("named", cursor_factory=factory) as cursor:
                cursor.execute("select 1 as n")
                (row,) = cursor.fetchall()
                assert (row.n if hasattr(row, "n") else row["n"]) == 1
            conn.rollback()
        assert conn.notices == []  # of a second BEGIN


def test_a_named_cursor_that_never_got_declared_leaves_the_transaction_ours_to_end(pair):
    for conn in pair:
        ask(conn, "select 1")
        cursor = conn.cursor("wrong", cursor_factory=extras.RealDictCursor)
        with pytest.raises(IndexError):
            cursor.execute("select %s", ())
        conn.commit()
        assert conn.get_transaction_status() == IDLE
        ask(conn, "select 1")
        assert conn.get_transaction_status() == INTRANS
        conn.rollback()
        assert conn.notices == []


def test_a_cursor_of_a_function_is_in_the_transaction(pair):
    for conn in pair:
        with conn.cursor(cursor_factory=lambda *args: extensions.cursor(*args)) as cursor:
            cursor.execute("select 1")
        assert conn.get_transaction_status() == INTRANS
        conn.rollback()


def test_a_named_cursor_executes_once(pair):
    for conn in pair:
        with conn.cursor("once") as cursor:
            cursor.execute("select 1")
            with pytest.raises(psycopg2.ProgrammingError, match="more than once"):
                cursor.execute("select 2")
        conn.rollback()


def test_a_named_cursor_shows_what_declared_it(pair):
    for conn in pair:
        with conn.cursor("named") as cursor:
            assert cursor.query is None
            cursor.execute("select %s", ("a",))
            cursor.fetchall()
            assert cursor.query == b"DECLARE \"named\" CURSOR WITHOUT HOLD FOR select 'a'"
        conn.rollback()
        with conn.cursor("wrong") as cursor:
            with pytest.raises(psycopg2.Error):
                cursor.execute("select nothing")
            assert cursor.query == b'DECLARE "wrong" CURSOR WITHOUT HOLD FOR select nothing'
        conn.rollback()


def test_a_named_cursor_scrolls_if_asked_to(pair):
    for conn in pair:
        with conn.cursor('it"s', scrollable=True) as cursor:
            cursor.execute("select n from generate_series(1, 3) as n")
            assert [row[0] for row in cursor] == [1, 2, 3]
            cursor.scroll(0, mode="absolute")
            assert cursor.fetchone() == (1,)
        conn.rollback()
        with conn.cursor("forward", scrollable=False) as cursor:
            cursor.execute("select n from generate_series(1, 3) as n")
            cursor.fetchone()
            with pytest.raises(psycopg2.OperationalError, match="scan forward"):
                cursor.scroll(-1)
        conn.rollback()


@pytest.mark.parametrize("first", [None, "select 1"])
def test_a_large_object_is_of_the_transaction(pair, first):
    for conn in pair:
        if first:
            ask(conn, first)
        large = conn.lobject(0, "wb")
        large.write(b"data")
        oid = large.oid
        large.close()
        conn.commit()
        assert conn.lobject(oid, "rb").read() == b"data"
        conn.rollback()
        conn.lobject(oid, "rb").unlink()
        conn.commit()
        assert ask(conn, "select count(*) from pg_largeobject_metadata where oid = %s", oid) == 0
        conn.rollback()


def test_a_two_phase_transaction_is_psycopg2s_own(server):
    """Its every step is, so that the server may be asked for it later."""
    conn = driver.connect(server.params, timeout=10)
    driver.piggyback_begin(conn)
    ask(conn, "select 1")
    with pytest.raises(psycopg2.ProgrammingError, match="tpc_begin .* inside a transaction"):
        conn.tpc_begin("piggyback")
    conn.rollback()
    conn.tpc_begin("piggyback")
    ask(conn, "select 1")
    conn.tpc_prepare()
    conn.tpc_rollback()
    ask(conn, "select 1")
    conn.commit()
    assert conn.get_transaction_status() == IDLE
    driver.close(conn)


def test_settings_of_the_session_are_made_as_by_psycopg2(pair):
    told = []
    for conn in pair:
        seen = []
        conn.set_session(isolation_level="SERIALIZABLE", readonly=True, autocommit=True)
        seen += [conn.autocommit, ask(conn, "show transaction_isolation")]
        conn.set_session(isolation_level="DEFAULT", readonly="DEFAULT", autocommit=False)
        seen += [conn.autocommit, ask(conn, "show transaction_isolation")]
        seen.append(ask(conn, "show transaction_read_only"))
        conn.set_isolation_level(extensions.ISOLATION_LEVEL_REPEATABLE_READ)
        seen += [conn.get_transaction_status(), ask(conn, "show transaction_isolation")]
        conn.set_isolation_level(extensions.ISOLATION_LEVEL_AUTOCOMMIT)
        seen += [conn.autocommit, conn.get_transaction_status()]
        conn.set_isolation_level(extensions.ISOLATION_LEVEL_DEFAULT)
        ask(conn, "select 1")
        conn.reset()
        seen += [conn.autocommit, conn.isolation_level, conn.get_transaction_status()]
        ask(conn, "select 1")
        seen.append(conn.get_transaction_status())
        conn.rollback()
        told.append(seen)
    assert told[0] == told[1]


def test_the_encoding_is_set_outside_of_the_transaction(pair):
    for conn in pair:
        ask(conn, "select 1")
        conn.set_client_encoding("utf-8")
        assert conn.get_transaction_status() == INTRANS
        conn.set_client_encoding("LATIN1")
        assert conn.get_transaction_status() == IDLE
        assert ask(conn, "select %s", "ä") == "ä"
        conn.rollback()
        assert ask(conn, "show client_encoding") == "LATIN1"


def test_a_begin_of_the_users_own_in_autocommit_is_the_users_own_to_end(pair):
    for conn in pair:
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute("begin")
            conn.commit()
            assert conn.get_transaction_status() == INTRANS
            cursor.execute("rollback")
        assert conn.get_transaction_status() == IDLE


def test_a_block_in_autocommit_is_a_transaction(pair):
    for conn in pair:
        conn.autocommit = True
        with conn:
            ask(conn, "select 1")
            assert conn.get_transaction_status() == INTRANS
        assert conn.get_transaction_status() == IDLE


class NamesItself(psycopg2.extensions.cursor):
    """Names itself, and leaves to psycopg2 what becomes of its rows."""

    def __init__(self, conn, name=None):
        super().__init__(conn, name or "on_the_server")
        self.withhold = True


def test_a_cursor_that_names_itself_is_as_psycopg2_makes_it(pair):
    made = []
    for conn in pair:
        conn.cursor_factory = NamesItself
        with conn.cursor() as cursor:
            made.append((cursor.name, cursor.scrollable, cursor.withhold))
            cursor.execute("select generate_series(1, 3)")
            assert cursor.fetchone() == (1,)
        conn.rollback()
    assert made == [("on_the_server", None, False)] * 2


def test_a_closed_connection_says_so(pair):
    for conn in pair:
        driver.close(conn)
        for use in (conn.commit, conn.rollback, conn.cursor, lambda c=conn: ask(c, "select 1")):
            with pytest.raises(psycopg2.InterfaceError, match="already closed"):
                use()


def test_a_cursor_class_with_an_execute_of_its_own_is_given_what_was_asked_for(pair):
    """As tracers have, which would tell of the values that stand in what is sent."""
    given = []

    class Tracing(extensions.cursor):
        def execute(self, query, vars=None):  # noqa: A002
            given.append((query, vars))
            super().execute(query + " /* traced */", vars)

    for conn in pair:
        for _ in range(2):
            cursor = conn.cursor(cursor_factory=Tracing)
            cursor.execute("select %s", (1,))
            assert cursor.fetchone() == (1,)
        conn.rollback()
    assert given == [("select %s", (1,))] * 4
