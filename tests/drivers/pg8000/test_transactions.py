"""BEGIN is ours: sent with the first statement, never twice, never lost."""

from __future__ import annotations

import io
import time

import pytest
from support import Thread

from multipool.driver import ACTIVE, IDLE, INERROR, INTRANS, UNKNOWN
from multipool.testing.proxy import Proxy
from multipool_pg8000 import IsolationLevel, ProgrammingError, errors, messages, session


@pytest.fixture
def proxy(server):
    with Proxy(server.params) as proxy:
        yield proxy


@pytest.fixture
def far(connect, proxy):
    """A connection through the proxy."""
    conn = connect(host=proxy.params["host"], port=proxy.params["port"], dbname="postgres")
    proxy.round_trips = 0
    return conn


def test_executemany_is_one_round_trip_in_a_transaction(far, proxy):
    with far.cursor() as cursor:
        cursor.execute("create temporary table t (n integer check (n < 1000))")
        proxy.round_trips = 0
        cursor.executemany("insert into t values (%s)", [(number,) for number in range(100)])
        assert proxy.round_trips == 1
        assert cursor.rowcount == 100
        cursor.execute("select count(*), sum(n) from t")
        assert cursor.fetchall() == [(100, 4950)]


def test_an_error_in_executemany_is_that_of_the_first_that_failed(far):
    with far.cursor() as cursor:
        cursor.execute("create temporary table t (n integer check (n < 1000))")
        rows = [(1,), (2000,), (None,), (3000,)]
        with pytest.raises(errors.CheckViolation, match="2000"):
            cursor.executemany("insert into t values (%s)", rows)
        assert far.info.transaction_status == INERROR


def test_in_autocommit_executemany_stops_at_the_first_error_and_keeps_what_went_before(far):
    far.autocommit = True
    with far.cursor() as cursor:
        cursor.execute("create temporary table t (n integer check (n < 1000))")
        with pytest.raises(errors.CheckViolation):
            cursor.executemany("insert into t values (%s)", [(1,), (2000,), (3,)])
        cursor.execute("select n from t")
        assert cursor.fetchall() == [(1,)]


def test_executemany_is_not_stuck_where_the_answers_are_larger_than_any_buffer(conn):
    with conn.cursor() as cursor:
        cursor.executemany("select repeat('x', 1000000), %s", [("y" * 1000,)] * 100)
        assert cursor.rowcount == 100


def test_a_transaction_of_one_query_is_two_round_trips(far, proxy):
    with far.cursor() as cursor:
        cursor.execute("select %s", (1,))
    assert proxy.round_trips == 1
    assert far.state == INTRANS
    far.commit()
    assert proxy.round_trips == 2
    assert far.state == IDLE


def test_the_connection_is_active_while_its_first_statement_runs(conn):
    thread = Thread(lambda: conn.cursor().execute("select pg_sleep(30)"))
    time.sleep(0.3)
    assert conn.get_transaction_status() == ACTIVE
    conn.cancel()
    with pytest.raises(errors.QueryCanceled):
        thread.outcome()
    assert conn.get_transaction_status() == INERROR


def test_a_statement_that_fails_at_once_leaves_a_failed_transaction(conn):
    cursor = conn.cursor()
    with pytest.raises(errors.SyntaxError):
        cursor.execute("selec 1")
    assert conn.state == INERROR
    with pytest.raises(errors.InFailedSqlTransaction):
        cursor.execute("select 1")
    conn.rollback()
    assert conn.state == IDLE
    cursor.execute("select 1")
    assert cursor.fetchone() == (1,)


def test_the_first_statement_is_inside_the_transaction(conn, auto):
    auto.cursor().execute("create table rolled_back (x int)")
    conn.cursor().execute("insert into rolled_back values (%s)", (1,))
    conn.rollback()
    cursor = auto.cursor()
    cursor.execute("select count(*) from rolled_back")
    assert cursor.fetchone() == (0,)
    cursor.execute("drop table rolled_back")


def test_committing_a_failed_transaction_ends_it_quietly_as_with_psycopg2(conn):
    with pytest.raises(ProgrammingError):
        conn.cursor().execute("select nothing")
    conn.commit()
    assert conn.state == IDLE


def test_commit_and_rollback_say_nothing_to_the_server_when_idle(far, proxy):
    far.commit()
    far.rollback()
    assert proxy.round_trips == 0


def test_the_context_manager_ends_the_transaction_and_not_the_connection(conn):
    with conn:
        conn.cursor().execute("create temp table kept (x int)")
    with pytest.raises(ZeroDivisionError), conn:
        conn.cursor().execute("insert into kept values (1)")
        raise ZeroDivisionError
    assert not conn.closed
    cursor = conn.cursor()
    cursor.execute("select * from kept")
    assert cursor.fetchall() == []


def test_autocommit_cannot_be_set_inside_a_transaction(conn):
    conn.cursor().execute("select 1")
    with pytest.raises(ProgrammingError, match="inside a transaction"):
        conn.autocommit = True
    conn.rollback()
    conn.autocommit = True
    conn.cursor().execute("select 1")
    assert conn.state == IDLE


@pytest.mark.parametrize(
    "executed",
    [
        lambda cursor: cursor.execute("insert into pets values ('cat')"),
        lambda cursor: cursor.execute("insert into pets values (%s)", ("cat",)),
        lambda cursor: cursor.executemany("insert into pets values (%s)", [("a",), ("b",)]),
        lambda cursor: cursor.execute("insert into pets values ('a'); select 1"),
        lambda cursor: cursor.copy_expert("copy pets from stdin", io.StringIO("cat\n")),
    ],
)
def test_nothing_is_executed_where_its_transaction_does_not_begin(conn, executed):
    """As where a cancel that was meant for the statement before comes too late for it."""
    cursor = conn.cursor()
    cursor.execute("create temporary table pets (name text)")
    conn.commit()
    begin, conn._begin = conn._begin, messages.ahead("BEGIN NONSENSE")
    with pytest.raises(errors.SyntaxError):
        executed(cursor)
    assert conn.state == IDLE
    conn._begin = begin
    cursor.execute("select count(*) from pets")
    assert cursor.fetchone() == (0,)
    executed(cursor)
    conn.rollback()
    cursor.execute("select count(*) from pets where name <> %s", ("",))
    assert cursor.fetchone() == (0,)


def test_a_transaction_begins_with_what_was_set(conn):
    conn.set_session(isolation_level="repeatable read", readonly=True)
    assert conn.isolation_level is IsolationLevel.REPEATABLE_READ
    cursor = conn.cursor()
    cursor.execute("show transaction_isolation")
    assert cursor.fetchone() == ("repeatable read",)
    with pytest.raises(errors.ReadOnlySqlTransaction):
        cursor.execute("create table t (x int)")
    conn.rollback()
    conn.isolation_level = IsolationLevel.SERIALIZABLE
    conn.readonly = None
    conn.deferrable = True
    settings = ["transaction_isolation", "transaction_deferrable", "transaction_read_only"]
    cursor.execute("select current_setting(name) from unnest(%s) as name", (settings,))
    assert cursor.fetchall() == [("serializable",), ("on",), ("off",)]
    conn.rollback()
    conn.isolation_level = None
    cursor.execute("show transaction_isolation")
    assert cursor.fetchone() == ("read committed",)


def test_in_autocommit_what_is_set_holds_too_as_with_psycopg2(auto):
    cursor = auto.cursor()
    auto.set_session(isolation_level="serializable", readonly=True, deferrable=True)
    for name, expected in (
        ("transaction_isolation", "serializable"),
        ("transaction_read_only", "on"),
        ("transaction_deferrable", "on"),
    ):
        cursor.execute(f"show {name}")
        assert cursor.fetchone() == (expected,)
    with pytest.raises(errors.ReadOnlySqlTransaction):
        cursor.execute("create table t (x int)")
    auto.readonly = False
    cursor.execute("create temporary table t (x int)")
    auto.isolation_level = auto.deferrable = None
    cursor.execute("show transaction_isolation")
    assert cursor.fetchone() == ("read committed",)


def test_what_was_set_in_autocommit_is_taken_back_out_of_it(conn):
    conn.set_session(readonly=True, autocommit=True)
    conn.autocommit = False
    cursor = conn.cursor()
    for value, expected in ((True, "on"), (None, "off"), (True, "on"), (False, "off")):
        conn.readonly = value
        cursor.execute("show transaction_read_only")
        assert cursor.fetchone() == (expected,)
        conn.rollback()


def test_what_is_set_out_of_autocommit_costs_no_round_trip(far, proxy):
    far.set_session(isolation_level="serializable", readonly=True)
    far.autocommit = True
    far.autocommit = False
    assert proxy.round_trips == 0


def test_a_default_that_the_server_refuses_is_not_shown_as_set(auto, monkeypatch):
    monkeypatch.setattr(session, "defaults", lambda changes: messages.query(b"SET nonsense"))
    with pytest.raises(ProgrammingError):
        auto.readonly = True
    assert auto.readonly is None


@pytest.mark.parametrize("level", [0, 9, "snapshot", True])
def test_an_unknown_isolation_level_is_refused_with_those_there_are(conn, level):
    if level is True:
        conn.isolation_level = level  # the number 1
        assert conn.isolation_level is IsolationLevel.READ_COMMITTED
        return
    with pytest.raises(ValueError, match="READ COMMITTED"):
        conn.isolation_level = level


def test_several_statements_in_one_text_leave_the_last_ones_result(auto):
    cursor = auto.cursor()
    cursor.execute("select 1; select %s, %s", (2, "a"))
    assert cursor.fetchall() == [(2, "a")]
    cursor.execute("select 1; set time zone 'UTC'")
    assert cursor.description is None
    cursor.execute("")
    assert cursor.rowcount == -1


def test_the_status_of_a_closed_connection_is_unknown(conn):
    conn.close()
    assert conn.get_transaction_status() == UNKNOWN
    assert conn.closed == 1
    conn.close()


# -- two-phase commit ----------------------------------------------------------------------


def test_a_prepared_transaction_is_found_again_and_committed(connect, auto):
    with auto.cursor() as cursor:
        cursor.execute("show max_prepared_transactions")
        if cursor.fetchone() == ("0",):
            pytest.skip("the server has max_prepared_transactions = 0")
    auto.cursor().execute("create table two_phase (x int)")
    one, other = connect(), connect()
    xid = one.xid(42, "global'\\", "branch")
    one.tpc_begin(xid)
    one.cursor().execute("insert into two_phase values (1)")
    with pytest.raises(ProgrammingError, match="two-phase"):
        one.commit()
    one.tpc_prepare()
    assert one.in_prepared_transaction
    one.close()
    assert xid[:3] in [found[:3] for found in other.tpc_recover()]
    assert other.state == IDLE
    other.tpc_commit(xid)
    cursor = auto.cursor()
    cursor.execute("select * from two_phase")
    assert cursor.fetchall() == [(1,)]
    cursor.execute("drop table two_phase")


def test_a_two_phase_transaction_may_end_in_one(conn):
    conn.tpc_begin("mine")
    conn.cursor().execute("create table never (x int)")
    conn.tpc_rollback()
    with pytest.raises(errors.UndefinedTable):
        conn.cursor().execute("select * from never")


def test_two_phase_calls_out_of_order_are_refused(conn):
    with pytest.raises(ProgrammingError, match="tpc_begin"):
        conn.tpc_prepare()
    with pytest.raises(ProgrammingError, match="tpc_begin"):
        conn.tpc_commit()
    conn.cursor().execute("select 1")
    with pytest.raises(ProgrammingError, match="outside"):
        conn.tpc_begin("x")
    with pytest.raises(ValueError, match="64"):
        conn.xid(1, "x" * 65, "")
