"""Status, rollback and commit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from multipool.driver import IDLE, INERROR, INTRANS
from multipool.testing.compliance.suite import Suite


class Transactions(Suite):
    """What the pool asks about at every return."""

    def test_without_autocommit_a_statement_opens_a_transaction_and_rollback_ends_it(
        self, conn: Any
    ) -> None:
        self.run(conn, self.opening)
        assert self.driver.status(conn) == INTRANS
        self.driver.rollback(conn)
        assert self.driver.status(conn) == IDLE

    def test_commit_ends_a_transaction(self, conn: Any) -> None:
        self.run(conn, self.opening)
        self.driver.commit(conn)
        assert self.driver.status(conn) == IDLE

    def test_an_error_aborts_the_transaction_until_the_rollback(self, conn: Any) -> None:
        self.needs("aborts")
        with pytest.raises(self.driver.DatabaseError):
            self.fetch(conn, self.wrong)
        assert self.driver.status(conn) == INERROR
        self.driver.rollback(conn)
        assert self.driver.status(conn) == IDLE
        assert self.fetch(conn, self.select) == [(1,)]

    def test_without_a_transaction_rollback_and_commit_do_nothing(self, conn: Any) -> None:
        self.driver.rollback(conn)
        self.driver.commit(conn)
        assert self.driver.status(conn) == IDLE

    def test_in_autocommit_no_transaction_stays_open(self, conn: Any) -> None:
        conn.autocommit = True
        self.fetch(conn, self.select)
        assert self.driver.status(conn) == IDLE

    @pytest.mark.parametrize("how", ["rollback", "commit"])
    def test_a_transaction_begun_by_hand_in_autocommit_is_ended_too(
        self, conn: Any, how: str
    ) -> None:
        conn.autocommit = True
        self.run(conn, self.begin)
        assert self.driver.status(conn) == INTRANS
        getattr(self.driver, how)(conn)
        assert self.driver.status(conn) == IDLE
        assert conn.autocommit is True

    def test_commit_keeps_and_rollback_undoes(self, conn: Any) -> None:
        self.needs("tables")
        self.run(conn, "create temporary table multipool_test (n integer)")
        self.run(conn, "insert into multipool_test values (1)")
        self.driver.commit(conn)
        self.run(conn, "insert into multipool_test values (2)")
        self.driver.rollback(conn)
        assert self.fetch(conn, "select n from multipool_test") == [(1,)]

    def test_a_rollback_that_cannot_be_had_raises(self, connect: Callable[[], Any]) -> None:
        self.needs("network")
        conn = connect()
        self.run(conn, self.opening)
        self.terminate(conn, by=connect())
        with pytest.raises(self.driver.Error):
            self.driver.rollback(conn)
