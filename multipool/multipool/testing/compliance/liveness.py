"""The socket: notifications, sessions that ended, and cancelling."""

from __future__ import annotations

import selectors
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from multipool.driver import ACTIVE, IDLE, UNKNOWN
from multipool.testing.compliance.suite import Suite

PATIENCE = 5.0  # seconds


class Liveness(Suite):
    """What is known without a round trip."""

    def test_a_connection_has_a_socket_or_says_that_it_has_none(self, conn: Any) -> None:
        assert (self.driver.fileno(conn) >= 0) is self.network

    def test_an_idle_connection_has_nothing_to_read_and_drain_says_alive(self, conn: Any) -> None:
        self.needs("network")
        assert not self._readable(conn, timeout=0)
        assert self.driver.drain(conn) is True

    def test_drain_reads_a_notification_says_alive_and_loses_nothing(
        self, connect: Callable[[], Any]
    ) -> None:
        self.needs("notifications")
        conn, other = connect(), connect()
        self.driver.execute(conn, "listen multipool_test")
        self.driver.execute(other, "notify multipool_test, 'hello'")
        assert self._readable(conn, PATIENCE)
        assert self.driver.drain(conn) is True
        assert not self._readable(conn, timeout=0)
        assert self.payloads(conn) == ["hello"]
        assert self.driver.status(conn) == IDLE

    def test_drain_sees_that_the_server_ended_the_session(self, connect: Callable[[], Any]) -> None:
        self.needs("network")
        conn = connect()
        self.terminate(conn, by=connect())
        assert self._readable(conn, PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while self.driver.drain(conn):  # the last words may come before the end of file
            assert time.monotonic() < deadline
        assert self.driver.status(conn) == UNKNOWN
        self.driver.close(conn)

    def test_a_query_in_a_session_that_ended_is_an_operational_error(
        self, connect: Callable[[], Any]
    ) -> None:
        self.needs("network")
        conn = connect()
        self.terminate(conn, by=connect())
        with pytest.raises(self.driver.OperationalError):
            self.fetch(conn, self.select)
        assert self.driver.status(conn) == UNKNOWN
        self.driver.close(conn)

    def test_drain_of_a_closed_connection_says_dead(self, conn: Any) -> None:
        self.driver.close(conn)
        assert self.driver.drain(conn) is False

    def test_a_query_is_cancelled_from_another_thread(self, conn: Any) -> None:
        self.needs("cancellation")
        errors: list[BaseException] = []

        def query() -> None:
            try:
                self.fetch(conn, self.slow)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=query, daemon=True)
        thread.start()
        deadline = time.monotonic() + PATIENCE
        while self.driver.status(conn) != ACTIVE:
            assert time.monotonic() < deadline, "a connection in a query is ACTIVE"
            time.sleep(0.001)
        # A request that overtakes its query cancels nothing, so it is repeated.
        while thread.is_alive():
            assert time.monotonic() < deadline
            self.driver.cancel(conn)
            thread.join(0.1)
        (error,) = errors
        assert isinstance(error, self.driver.OperationalError)
        assert self.driver.sqlstate(error) == ("57014" if self.sqlstates else None)
        self.driver.rollback(conn)
        assert self.fetch(conn, self.select) == [(1,)]

    def _readable(self, conn: Any, timeout: float) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(self.driver.fileno(conn), selectors.EVENT_READ)
            return bool(selector.select(timeout))
