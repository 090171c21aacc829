"""The fake driver passes the suite that every adapter passes, and does as it is told."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import ClassVar

import pytest

from multipool.driver import ACTIVE, IDLE, INTRANS, UNKNOWN
from multipool.testing.compliance import DriverCompliance
from multipool.testing.fake import (
    FakeDriver,
    Hang,
    OperationalError,
    ProgrammingError,
    Raise,
    Sleep,
)


class TestFakeDriver(DriverCompliance):
    driver = FakeDriver()
    params: ClassVar = {"dbname": "shop", "host": "nowhere"}
    tables = False
    client_settings: ClassVar = {
        "autocommit": True,
        "isolation_level": "serializable",
        "readonly": True,
    }

    # All that it knows of them.
    leavings: ClassVar = {"setting": ("set TimeZone to 'Asia/Tokyo'", "show TimeZone")}

    def sessions(self, name, by):
        backends = self.driver.server._sessions.values()
        return sum(backend.settings["application_name"] == name for backend in backends)

    @contextmanager
    def refusal(self, target):
        error = OperationalError("there is no such database", "3D000")
        self.driver.server.once("connect", Raise(error))
        yield target

    @contextmanager
    def nobody(self, target):
        self.driver.server.once("connect", Raise(OperationalError("connection refused")))
        yield target

    @contextmanager
    def silence(self, target):
        gate = self.driver.server.once("connect", Hang())
        yield target
        gate.release()


@pytest.fixture
def driver():
    return FakeDriver()


def test_what_is_scripted_once_happens_once_and_in_order(driver):
    driver.server.once("connect", Raise(OperationalError("first")))
    driver.server.once("connect", Raise(OperationalError("second")))
    for expected in ("first", "second"):
        with pytest.raises(OperationalError, match=expected):
            driver.connect({}, None)
    driver.connect({}, None)


def test_what_is_scripted_always_happens_until_it_is_cleared(driver):
    driver.server.always("connect", Raise(OperationalError("no route to host")))
    for _ in range(3):
        with pytest.raises(OperationalError):
            driver.connect({}, None)
    driver.server.clear("connect")
    driver.connect({}, None)


def test_an_unknown_operation_is_refused_with_those_there_are(driver):
    with pytest.raises(ValueError, match="no operation 'reset'; there are: connect, close"):
        driver.server.once("reset", Hang())


def test_an_action_may_be_any_callable_and_is_told_of_the_call(driver):
    calls = []
    driver.server.always("execute", calls.append)
    conn = driver.connect({}, None)
    conn.cursor().execute("select 1")
    (call,) = calls
    assert (call.operation, call.sql) == ("execute", "select 1")
    assert call.backend.pid == conn.backend_pid


def test_sessions_are_counted_open_ever_and_at_most(driver):
    conns = [driver.connect({}, None) for _ in range(3)]
    for conn in conns[:2]:
        driver.close(conn)
    driver.connect({}, None)
    del conn, conns
    server = driver.server
    assert (server.opened, server.peak, server.open) == (4, 3, 0)


def test_round_trips_are_counted_and_a_rollback_of_nothing_is_none(driver):
    conn = driver.connect({}, None)
    driver.rollback(conn)
    assert driver.server.round_trips == 0
    conn.cursor().execute("select 1")
    driver.commit(conn)
    assert dict(driver.server.calls) == {"connect": 1, "begin": 1, "execute": 1, "commit": 1}
    assert driver.server.round_trips == 3


def test_a_hang_ends_when_it_is_released(driver):
    gate = driver.server.once("rollback", Hang())
    conn = driver.connect({}, None)
    conn.cursor().execute("select 1")
    thread = threading.Thread(target=driver.rollback, args=[conn])
    thread.start()
    gate.wait_until_reached()
    assert driver.status(conn) == INTRANS
    gate.release()
    thread.join(5)
    assert driver.status(conn) == IDLE


def test_waiting_for_a_hang_that_does_not_come_fails():
    with pytest.raises(AssertionError, match="nothing hung"):
        Hang().wait_until_reached(timeout=0)


def test_a_slow_connect_respects_the_timeout(driver):
    driver.server.always("connect", Sleep(0.1))
    driver.connect({}, timeout=1)
    started = time.monotonic()
    with pytest.raises(OperationalError, match="timeout"):
        driver.connect({}, timeout=0.01)
    assert time.monotonic() - started < 0.1


def test_a_full_server_refuses_with_the_sqlstate_of_postgresql(driver):
    driver.server.max_connections = 1
    conn = driver.connect({}, None)
    with pytest.raises(OperationalError) as caught:
        driver.connect({}, None)
    assert driver.sqlstate(caught.value) == "53300"
    driver.close(conn)
    driver.connect({}, None)


def test_a_stopped_server_ends_its_sessions_and_refuses_until_it_is_started(driver):
    conn = driver.connect({}, None)
    driver.server.stop()
    assert driver.drain(conn) is False
    with pytest.raises(OperationalError, match="refused"):
        driver.connect({}, None)
    driver.server.start()
    driver.connect({}, None)


def test_a_killed_session_is_noticed_only_when_somebody_looks(driver):
    """As with libpq: until then its status is what it was."""
    conn = driver.connect({}, None)
    driver.server.kill(conn.backend_pid)
    assert driver.status(conn) == IDLE
    assert driver.drain(conn) is False
    assert driver.status(conn) == UNKNOWN


def test_a_statement_it_does_not_know_is_an_error_unless_answered(driver):
    conn = driver.connect({}, None)
    cursor = conn.cursor()
    with pytest.raises(ProgrammingError) as caught:
        cursor.execute("select name from customer")
    assert caught.value.sqlstate == "42601"
    conn.rollback()
    driver.server.answers["select name from customer"] = [("Ada",), ("Grace",)]
    cursor.execute("select name from customer")
    assert cursor.fetchone() == ("Ada",)
    assert cursor.fetchmany(5) == [("Grace",)]
    assert cursor.fetchone() is None
    assert (cursor.rowcount, len(cursor.description)) == (2, 1)


def test_an_aborted_transaction_takes_no_statement(driver):
    conn = driver.connect({}, None)
    with pytest.raises(driver.DatabaseError):
        conn.cursor().execute("select 1/0")
    with pytest.raises(ProgrammingError) as caught:
        conn.cursor().execute("select 1")
    assert caught.value.sqlstate == "25P02"


def test_drivers_may_share_a_server():
    one = FakeDriver()
    two = FakeDriver(one.server)
    conn = two.connect({}, None)
    assert one.server.pids == {conn.backend_pid}


def test_an_interrupted_query_leaves_the_connection_active(driver):
    """As with libpq: the answer was not read."""
    driver.server.once("execute", Raise(KeyboardInterrupt))
    conn = driver.connect({}, None)
    with pytest.raises(KeyboardInterrupt):
        conn.cursor().execute("select 1")
    assert driver.status(conn) == ACTIVE
