"""State of a session, on the server's side and on the client's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from multipool import Pool
from multipool.driver import CLIENT, IDLE, SESSION
from multipool.testing.compliance.slot import StandInSlot
from multipool.testing.compliance.suite import Suite

HOSTILE = [
    "'; drop table x; --",
    "\\'; drop table x; --",
    "\\",
    "\\\\'",
    "''",
    '"',
    "%s %% %(x)s",
    "$1 $$ $tag$",
    "naïve ⚑",
    "",
]


class Session(Suite):
    """Statements of the pool's own, settings, and putting them back."""

    @pytest.mark.parametrize("autocommit", [False, True])
    def test_execute_runs_outside_of_any_transaction_and_leaves_autocommit_alone(
        self, conn: Any, autocommit: bool
    ) -> None:
        conn.autocommit = autocommit
        self.driver.execute(conn, self.outside)
        assert self.driver.status(conn) == IDLE
        assert conn.autocommit is autocommit

    @pytest.mark.parametrize("autocommit", [False, True])
    def test_after_a_failed_execute_the_connection_is_idle_and_usable(
        self, conn: Any, autocommit: bool
    ) -> None:
        conn.autocommit = autocommit
        with pytest.raises(self.driver.DatabaseError):
            self.driver.execute(conn, self.wrong)
        assert self.driver.status(conn) == IDLE
        assert conn.autocommit is autocommit
        assert self.fetch(conn, self.select) == [(1,)]

    def test_execute_leaves_percent_signs_alone(self, conn: Any) -> None:
        self.needs("settings")
        self.driver.execute(conn, "set multipool.test to '100%s'")
        assert self.show(conn, "multipool.test") == "100%s"

    def test_statements_go_on_working_after_the_session_was_discarded(self, conn: Any) -> None:
        """A driver that prepares statements by itself notices that they are gone."""
        for _ in range(10):
            assert self.fetch(conn, self.echo, ["a"]) == [("a",)]
        self.driver.rollback(conn)
        self.driver.execute(conn, self.outside)
        for _ in range(10):
            assert self.fetch(conn, self.echo, ["a"]) == [("a",)]

    @pytest.mark.parametrize("autocommit", [False, True])
    @pytest.mark.parametrize("conforming", ["on", "off"])
    @pytest.mark.parametrize("value", HOSTILE)
    def test_a_setting_arrives_as_one_literal_whatever_it_holds(
        self, conn: Any, value: str, conforming: str, autocommit: bool
    ) -> None:
        self.needs("settings")
        conn.autocommit = autocommit
        self.driver.set_parameter(conn, "standard_conforming_strings", conforming)
        self.driver.set_parameter(conn, "multipool.test", value)
        assert self.driver.status(conn) == IDLE
        assert conn.autocommit is autocommit
        assert self.show(conn, "multipool.test") == value

    def test_the_server_reports_the_settings_that_change(self, conn: Any) -> None:
        if self.settings:
            assert self.driver.parameter_status(conn, "application_name") != "renamed"
            self.driver.set_parameter(conn, "application_name", "renamed")
            assert self.driver.parameter_status(conn, "application_name") == "renamed"
        assert self.driver.parameter_status(conn, "no_such_parameter") is None

    def test_what_a_borrower_set_on_the_clients_side_is_put_back(self, conn: Any) -> None:
        kept = {name: getattr(conn, name) for name in self.client_settings}
        settings = self.driver.remember(conn)
        for name, value in self.client_settings.items():
            assert kept[name] != value, f"{name}: {value!r} is what a new connection has"
            setattr(conn, name, value)
        self.driver.restore(conn, settings)
        assert {name: getattr(conn, name) for name in self.client_settings} == kept
        assert self.driver.status(conn) == IDLE

    def test_what_was_configured_on_the_clients_side_stays(self, conn: Any) -> None:
        for name, value in self.client_settings.items():
            setattr(conn, name, value)
        configured = {name: getattr(conn, name) for name in self.client_settings}
        settings = self.driver.remember(conn)
        self.driver.restore(conn, settings)
        assert {name: getattr(conn, name) for name in self.client_settings} == configured
        self.run(conn, self.select)

    def test_what_only_reads_does_not_touch_the_session(self, conn: Any) -> None:
        slot = conn._multipool_slot = StandInSlot()
        assert self.fetch(conn, self.select) == [(1,)]
        self.driver.rollback(conn)
        assert not slot.touched & SESSION

    def test_a_setting_and_a_listen_touch_the_session(self, conn: Any) -> None:
        for flag, sql in (("settings", "set multipool.test to 'x'"), ("notifications", "listen x")):
            if getattr(self, flag):
                slot = conn._multipool_slot = StandInSlot()
                self.run(conn, sql)
                assert slot.touched & SESSION
                assert slot.wary

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Ask for each of `leavings`, which a subclass may have others of, or none."""
        if "leaving" in metafunc.fixturenames:
            metafunc.parametrize("leaving", self.leavings)

    def test_the_next_borrower_finds_nothing_of_what_the_last_left(
        self, target: dict[str, Any], leaving: str
    ) -> None:
        leave, look = self.leavings[leaving]
        with Pool(target, driver=self.driver, max_size=1) as pool:
            with pool.connection() as conn:
                before = self.fetch(conn, look)
            with pool.connection() as conn:
                self.run(conn, leave)
            with pool.connection() as conn:
                assert self.fetch(conn, look) == before

    def test_what_a_borrower_leaves_is_there_until_it_is_reset(
        self, conn: Any, leaving: str
    ) -> None:
        """Else the test before this one would ask for nothing."""
        leave, look = self.leavings[leaving]
        before = self.fetch(conn, look)
        self.run(conn, leave)
        self.driver.commit(conn)
        assert self.fetch(conn, look) != before

    def test_what_is_set_on_the_clients_side_touches_it(self, conn: Any) -> None:
        for name, value in self.client_settings.items():
            slot = conn._multipool_slot = StandInSlot()
            setattr(conn, name, value)
            assert slot.touched & CLIENT, name

    def test_reset_leaves_nothing_of_a_borrower_but_what_was_configured(self, conn: Any) -> None:
        self.needs("settings")
        self.driver.set_parameter(conn, "application_name", "configured")
        settings = self.driver.remember(conn, configured=True)
        self.driver.set_parameter(conn, "application_name", "borrowed")
        self.driver.set_parameter(conn, "TimeZone", "Asia/Tokyo")
        self.driver.reset(conn, settings)
        assert self.driver.status(conn) == IDLE
        assert self.show(conn, "application_name") == "configured"
        assert self.show(conn, "TimeZone") != "Asia/Tokyo"

    def test_a_reset_that_cannot_be_had_raises(self, connect: Callable[[], Any]) -> None:
        self.needs("network")
        conn = connect()
        settings = self.driver.remember(conn)
        self.terminate(conn, by=connect())
        with pytest.raises(self.driver.Error):
            self.driver.reset(conn, settings)

    def test_statements_go_on_working_after_a_reset(self, conn: Any) -> None:
        settings = self.driver.remember(conn)
        for _ in range(10):
            assert self.fetch(conn, self.echo, ["a"]) == [("a",)]
        self.driver.rollback(conn)
        self.driver.reset(conn, settings)
        for _ in range(10):
            assert self.fetch(conn, self.echo, ["a"]) == [("a",)]
