"""A connection's life: connect, close, abandon, and being forgotten."""

from __future__ import annotations

import gc
import os
import secrets
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from multipool.driver import IDLE, OUTAGE, REFUSAL, UNKNOWN, Pooled
from multipool.testing.compliance.slot import StandInSlot
from multipool.testing.compliance.suite import Suite

CONFIDENTIAL = "xyzzy"
PATIENCE = 5.0  # seconds


class Life(Suite):
    """Opening and closing."""

    def test_a_connection_is_pooled_and_idle(self, conn: Any) -> None:
        assert isinstance(conn, Pooled)
        assert self.driver.status(conn) == IDLE
        assert self.fetch(conn, self.select) == [(1,)]

    def test_a_connection_takes_weak_references_and_attributes(self, conn: Any) -> None:
        conn.an_attribute_of_its_borrower = 1
        assert weakref.ref(conn)() is conn

    def test_a_connection_opened_by_one_thread_serves_another(self, conn: Any) -> None:
        rows: list[Any] = []
        thread = threading.Thread(target=lambda: rows.extend(self.fetch(conn, self.select)))
        thread.start()
        thread.join()
        assert rows == [(1,)]

    def test_a_closed_connection_is_unknown_and_has_no_socket(self, conn: Any) -> None:
        self.driver.close(conn)
        assert self.driver.status(conn) == UNKNOWN
        assert self.driver.fileno(conn) == -1

    def test_closing_twice_is_quiet(self, conn: Any) -> None:
        self.driver.close(conn)
        self.driver.close(conn)

    def test_a_closed_connection_refuses_queries_with_the_drivers_error(self, conn: Any) -> None:
        self.driver.close(conn)
        with pytest.raises(self.driver.Error):
            self.fetch(conn, self.select)

    def test_outside_of_a_pool_the_connections_own_close_is_for_good(self, conn: Any) -> None:
        conn.close()
        assert self.driver.status(conn) == UNKNOWN

    def test_in_a_pool_the_connections_own_close_gives_it_back(self, conn: Any) -> None:
        slot = conn._multipool_slot = StandInSlot()
        conn.close()
        assert slot.given_back == [conn]
        assert self.fetch(conn, self.select) == [(1,)]

    def test_the_drivers_close_closes_a_pooled_connection_too(self, conn: Any) -> None:
        slot = conn._multipool_slot = StandInSlot()
        self.driver.close(conn)
        assert slot.given_back == []
        assert self.driver.status(conn) == UNKNOWN

    def test_a_forgotten_pooled_connection_is_gone_without_a_warning(
        self, target: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unraisable: list[Any] = []
        monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
        conn = self.driver.connect(target, timeout=10)
        self.fetch(conn, self.select)
        conn._multipool_slot = StandInSlot()
        descriptor, reference = self.driver.fileno(conn), weakref.ref(conn)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            del conn
            if not self.acyclic:
                gc.collect()
        assert reference() is None
        assert not unraisable
        if self.network:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(descriptor)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
    def test_a_child_process_abandons_a_connection_without_a_word_to_the_server(
        self, target: dict[str, Any]
    ) -> None:
        self.needs("network")
        conn = self.driver.connect(target, timeout=10)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # other threads may exist
            pid = os.fork()
        if pid == 0:
            code = 1
            try:
                self.driver.abandon(conn)
                del conn
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        try:
            assert status == 0
            assert self.fetch(conn, self.select) == [(1,)]
        finally:
            self.driver.close(conn)

    def test_a_connection_can_be_abandoned_twice_or_after_its_close(self, conn: Any) -> None:
        self.driver.close(conn)
        self.driver.abandon(conn)
        self.driver.abandon(conn)

    def test_nobody_there_is_an_operational_error(self, target: dict[str, Any]) -> None:
        self.needs("network")
        with (
            self.nobody(target) as params,
            pytest.raises(self.driver.OperationalError) as caught,
        ):
            self.driver.connect({**params, "password": CONFIDENTIAL}, timeout=5)
        assert CONFIDENTIAL not in str(caught.value)
        assert self.driver.failure(caught.value) == OUTAGE

    def test_what_the_server_refuses_it_will_refuse_again(self, target: dict[str, Any]) -> None:
        self.needs("network")
        with self.refusal(target) as params, pytest.raises(self.driver.Error) as caught:
            self.driver.connect(params, timeout=5)
        assert self.driver.failure(caught.value) == REFUSAL

    def test_a_server_that_never_answers_is_given_up_after_the_timeout(
        self, target: dict[str, Any]
    ) -> None:
        self.needs("network")
        started = time.monotonic()
        with (
            self.silence(target) as params,
            pytest.raises(self.driver.OperationalError) as caught,
        ):
            self._give_up(params, timeout=0.5)
        # Those that wait in whole seconds, for two at least, are forgiven.
        assert 0.4 < time.monotonic() - started < 3.5
        assert self.driver.failure(caught.value) == OUTAGE

    def test_the_users_own_shorter_connect_timeout_counts(self, target: dict[str, Any]) -> None:
        self.needs("network")
        self.needs("libpq")
        started = time.monotonic()
        with self.silence(target) as params, pytest.raises(self.driver.OperationalError):
            self._give_up({**params, "connect_timeout": "2"}, timeout=20)
        assert time.monotonic() - started < 4

    def test_a_connect_opens_one_session_and_close_ends_it(
        self, connect: Callable[[], Any], target: dict[str, Any]
    ) -> None:
        self.needs("network")
        self.needs("libpq")
        name, by = f"multipool_{secrets.token_hex(4)}", connect()
        conn = self.driver.connect({**target, "application_name": name}, timeout=10)
        try:
            assert self.sessions(name, by) == 1
        finally:
            self.driver.close(conn)
        deadline = time.monotonic() + PATIENCE
        while self.sessions(name, by):  # the server does not wait until it has ended one
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def test_connections_are_sessions_of_their_own(self, connect: Callable[[], Any]) -> None:
        one, two = connect(), connect()
        pids = [self.driver.backend_pid(one), self.driver.backend_pid(two)]
        if self.network:
            assert None not in pids
            assert pids[0] != pids[1]
            assert self.fetch(one, "select pg_backend_pid()") == [(pids[0],)]
        else:
            assert pids == [None, None]

    def _give_up(self, params: dict[str, Any], timeout: float) -> NoReturn:
        """Raise the error of a connect that is to fail, or fail if it does not end.

        In a thread of its own, since a driver in C waits where nothing can interrupt it.
        """
        errors: list[BaseException] = []

        def connect() -> None:
            try:
                self.driver.close(self.driver.connect(params, timeout))
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=connect, daemon=True)
        thread.start()
        thread.join(PATIENCE)
        if thread.is_alive():
            pytest.fail(f"connect(timeout={timeout:g}) still waits after {PATIENCE:g} s")
        if not errors:
            pytest.fail("connected to a server that never answers")
        raise errors[0]
