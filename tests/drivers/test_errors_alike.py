"""The same failure has the same class and SQLSTATE on every driver.

Each driver is held to one table, so that they agree with each other too, in environments
that have only one of them as well.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import NamedTuple

import pytest
from pgbouncer import CLIENTS
from support import Thread

from multipool.driver import FULL, OUTAGE, REFUSAL
from multipool.testing.proxy import Proxy

PEP_249 = [
    "DataError",
    "OperationalError",
    "IntegrityError",
    "InternalError",
    "ProgrammingError",
    "NotSupportedError",
    "DatabaseError",
    "InterfaceError",
]


class Failure(NamedTuple):
    """What is known of an error: its own name, PEP 249's class, and the server's code."""

    name: str
    kind: str
    sqlstate: str | None


TABLES = """
    create temporary table parent (
        id integer primary key, name text not null default 'a', n integer check (n > 0)
    ) on commit drop;
    create temporary table child (parent integer references parent) on commit drop;
    insert into parent values (1)
"""

FAILURES = {
    ("insert into parent values (%s)", 1): Failure("UniqueViolation", "IntegrityError", "23505"),
    ("insert into child values (%s)", 9): Failure("ForeignKeyViolation", "IntegrityError", "23503"),
    ("insert into parent values (2, %s)", None): Failure(
        "NotNullViolation", "IntegrityError", "23502"
    ),
    ("insert into parent (id, n) values (2, %s)", -1): Failure(
        "CheckViolation", "IntegrityError", "23514"
    ),
    ("selec %s", 1): Failure("SyntaxError", "ProgrammingError", "42601"),
    ("select * from nowhere where id = %s", 1): Failure(
        "UndefinedTable", "ProgrammingError", "42P01"
    ),
    ("select nothing from parent where id = %s", 1): Failure(
        "UndefinedColumn", "ProgrammingError", "42703"
    ),
    ("select 1 / %s", 0): Failure("DivisionByZero", "DataError", "22012"),
    ("select (%s)::text::integer", "x"): Failure("InvalidTextRepresentation", "DataError", "22P02"),
    ("set transaction isolation level serializable, read write, not deferrable; -- %s", 1): Failure(
        "ActiveSqlTransaction", "InternalError", "25001"
    ),
}


def failure(driver, error):
    """Return what *error* is, by *driver*."""
    classes = [cls.__name__ for cls in type(error).__mro__]
    kind = next(name for name in PEP_249 if name in classes)
    return Failure(classes[0], kind, driver.sqlstate(error))


def caught(driver, function, *args):
    """Return the failure of *function*."""
    with pytest.raises(driver.Error) as error:
        function(*args)
    return failure(driver, error.value)


def run(conn, sql, *params):
    cursor = conn.cursor()
    try:
        cursor.execute(sql, *([params] if params else []))
    finally:
        cursor.close()


@pytest.mark.parametrize(("sql", "value"), FAILURES)
def test_a_statement_that_fails_is_told_alike(conn, driver, sql, value):
    run(conn, TABLES)
    assert caught(driver, run, conn, sql, value) == FAILURES[sql, value]
    aborted = Failure("InFailedSqlTransaction", "InternalError", "25P02")
    assert caught(driver, run, conn, "select 1") == aborted
    driver.rollback(conn)


def test_a_write_where_only_reading_is_allowed_is_told_alike(conn, driver):
    run(conn, "set transaction read only")
    expected = Failure("ReadOnlySqlTransaction", "InternalError", "25006")
    assert caught(driver, run, conn, "create table t ()") == expected
    driver.rollback(conn)


def test_a_statement_that_takes_too_long_is_told_alike(conn, driver):
    run(conn, "set local statement_timeout = 10")
    expected = Failure("QueryCanceled", "OperationalError", "57014")
    assert caught(driver, run, conn, "select pg_sleep(%s)", 30) == expected
    driver.rollback(conn)


def test_a_lock_that_is_not_to_be_had_is_told_alike(connect, driver):
    holder, other = connect(), connect()
    run(holder, "lock table pg_catalog.pg_largeobject in access exclusive mode")
    expected = Failure("LockNotAvailable", "OperationalError", "55P03")
    lock = "lock table pg_catalog.pg_largeobject nowait"
    assert caught(driver, run, other, lock) == expected
    for conn in (holder, other):
        driver.rollback(conn)


def test_a_deadlock_is_told_alike(connect, driver):
    one, two = connect(), connect()
    run(one, "select pg_advisory_xact_lock(1)")
    run(two, "set local deadlock_timeout = '10ms'; select pg_advisory_xact_lock(2)")
    # Only the session whose timeout is short looks for deadlocks: so it is the one that fails.
    run(one, "set local deadlock_timeout = '1min'")
    waiting = Thread(lambda: run(one, "select pg_advisory_xact_lock(%s)", 2))
    expected = Failure("DeadlockDetected", "OperationalError", "40P01")
    assert caught(driver, run, two, "select pg_advisory_xact_lock(%s)", 1) == expected
    driver.rollback(two)
    waiting.outcome()
    driver.rollback(one)


@pytest.fixture
def account(conn, driver):
    driver.execute(conn, "create table account as select 1 as balance")
    yield
    driver.execute(conn, "drop table account")


def test_a_serialization_failure_is_told_alike(account, connect, driver):
    one, two = connect(), connect()
    for conn in (one, two):
        run(conn, "set transaction isolation level repeatable read")
        run(conn, "select * from account")
    update = "update account set balance = balance + %s"
    run(one, update, 1)
    driver.commit(one)
    expected = Failure("SerializationFailure", "OperationalError", "40001")
    assert caught(driver, run, two, update, 1) == expected
    driver.rollback(two)


def test_an_administrators_shutdown_is_told_alike(conn, driver):
    """psycopg2 is handed the end of the connection alone, without the SQLSTATE before it."""
    terminate = "select pg_terminate_backend(pg_backend_pid()) where %s"
    found = caught(driver, run, conn, terminate, True)
    assert found.kind == "OperationalError"
    assert found.sqlstate == (None if driver.name == "psycopg2" else "57P01")


@pytest.mark.parametrize("how", ["fin", "reset"])
def test_a_connection_that_is_lost_is_told_alike(connect, driver, target, how):
    """Nobody said why, so there is no SQLSTATE."""
    with Proxy(target) as proxy:
        conn = connect(**proxy.params)
        run(conn, "select 1")
        proxy.cut(how)
        expected = Failure("OperationalError", "OperationalError", None)
        assert caught(driver, run, conn, "select %s", 1) == expected


def refused(driver, connect):
    """Return the failure of *connect*, and how the driver judges it."""
    with pytest.raises(driver.Error) as error:
        connect()
    return failure(driver, error.value), driver.failure(error.value)


def not_let_in(driver, sqlstate):
    """Return the failure to expect: libpq hands on no SQLSTATE where it cannot connect."""
    given = sqlstate if driver.name == "pg8000" else None
    return Failure("OperationalError", "OperationalError", given)


def test_a_server_that_is_not_there_is_an_outage_for_all(driver, params, tmp_path):
    """Over TCP and on a unix socket, whose file a server takes with it when it stops."""
    for host in ("127.0.0.1", str(tmp_path)):
        there = {**params, "host": host, "port": "1"}
        found = refused(driver, lambda there=there: driver.connect(there, timeout=10))
        assert found == (Failure("OperationalError", "OperationalError", None), OUTAGE)


def test_a_server_whose_queue_is_full_is_an_outage_for_all(driver, params, tmp_path):
    """Nobody is made to wait on a unix socket: the system says so at once."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.socket(socket.AF_UNIX))
        path = str(tmp_path / ".s.PGSQL.1")
        listener.bind(path)
        listener.listen(0)
        with pytest.raises(BlockingIOError):
            while True:
                one = opened.enter_context(socket.socket(socket.AF_UNIX))
                one.setblocking(False)
                one.connect(path)
        there = {**params, "host": str(tmp_path), "port": "1"}
        found = refused(driver, lambda: driver.connect(there, timeout=10))
    assert found == (Failure("OperationalError", "OperationalError", None), OUTAGE)


def test_a_server_that_hangs_up_amid_a_handshake_is_an_outage_for_all(driver, params):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up():
            client, _ = listener.accept()
            with client:
                client.recv(8)
                client.sendall(b"S")
                client.recv(65536)

        thread = Thread(hang_up)
        port = str(listener.getsockname()[1])
        there = {**params, "host": "127.0.0.1", "port": port, "sslmode": "require"}
        found = refused(driver, lambda: driver.connect(there, timeout=10))
        thread.outcome()
    assert found == (Failure("OperationalError", "OperationalError", None), OUTAGE)


@pytest.mark.parametrize("wanted", ["standby", "read-only"])
def test_a_server_that_is_not_what_is_asked_for_is_an_outage_for_all(driver, params, wanted):
    """So it is during a fail-over, until a standby is promoted, or the primary is a standby."""
    there = {**params, "target_session_attrs": wanted}
    found = refused(driver, lambda: driver.connect(there, timeout=10))
    assert found == (Failure("OperationalError", "OperationalError", None), OUTAGE)


def test_too_many_connections_are_told_alike(driver, server, params):
    server.psql("create role crowd login connection limit 0")
    try:
        found = refused(driver, lambda: driver.connect({**params, "user": "crowd"}, timeout=10))
    finally:
        server.psql("drop role crowd")
    assert found == (not_let_in(driver, "53300"), FULL)


def test_a_full_pooler_is_told_alike(driver, pgbouncer):
    """PgBouncer has words of its own for it, and one SQLSTATE for all it says."""
    with ExitStack() as opened:

        def connect():
            for _ in range(CLIENTS + 1):
                opened.callback(driver.close, driver.connect(pgbouncer, timeout=10))

        assert refused(driver, connect) == (not_let_in(driver, "08P01"), FULL)


def test_a_database_that_is_not_there_is_told_alike(connect, driver, route):
    sqlstate = {"direct": "3D000", "pgbouncer": "08P01"}[route]
    found = refused(driver, lambda: connect(dbname="nowhere"))
    assert found == (not_let_in(driver, sqlstate), REFUSAL)
