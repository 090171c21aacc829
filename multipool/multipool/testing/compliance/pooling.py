"""The adapter at work in a pool."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from multipool import Pool, PoolTimeout
from multipool.driver import IDLE, INTRANS
from multipool.testing.compliance.suite import Suite


class Pooling(Suite):
    """What a user of the pool sees of the adapter."""

    def test_a_pool_lends_the_same_connection_again_and_its_close_gives_it_back(
        self, target: dict[str, Any]
    ) -> None:
        with Pool(target, driver=self.driver, max_size=1) as pool:
            first = pool.getconn()
            first.close()
            second = pool.getconn()
            assert second is first
            assert self.fetch(second, self.select) == [(1,)]
            pool.putconn(second)
            assert self.driver.status(second) == IDLE

    def test_a_block_commits_at_its_end_and_rolls_back_after_an_error(
        self, target: dict[str, Any]
    ) -> None:
        with Pool(target, driver=self.driver, max_size=1) as pool:
            with pool.connection() as conn:
                self.run(conn, self.opening)
                assert self.driver.status(conn) == INTRANS
            assert self.driver.status(conn) == IDLE
            with pytest.raises(self.driver.DatabaseError), pool.connection() as conn:
                self.fetch(conn, self.wrong)
            assert self.driver.status(conn) == IDLE

    def test_a_statement_of_the_pools_own_is_executed_on_any_connection(
        self, target: dict[str, Any]
    ) -> None:
        with Pool(target, driver=self.driver, max_size=1) as pool:
            assert pool.execute(self.echo, ["a"]).fetchall() == [("a",)]
            with pytest.raises(self.driver.DatabaseError):
                pool.execute(self.wrong)
            assert pool.execute(self.select).fetchall() == [(1,)]
            assert pool.stats().used == 0
            with pool.connection() as conn:
                assert self.driver.status(conn) == IDLE

    @pytest.mark.parametrize("reset", ["auto", "never"])
    @pytest.mark.parametrize("end", ["commit", "rollback"])
    def test_the_next_borrower_has_a_transaction_though_the_last_ended_one_by_a_statement(
        self, target: dict[str, Any], end: str, reset: Literal["auto", "never"]
    ) -> None:
        with Pool(target, driver=self.driver, max_size=1, reset=reset) as pool:
            conn = pool.getconn()
            self.run(conn, self.opening)
            self.run(conn, end)
            assert self.driver.status(conn) == IDLE
            conn.close()
            again = pool.getconn()
            assert again is conn
            self.run(again, self.opening)
            assert self.driver.status(again) == INTRANS
            again.close()

    def test_the_connections_own_with_statement_does_not_take_it_from_its_borrower(
        self, target: dict[str, Any]
    ) -> None:
        with Pool(target, driver=self.driver, max_size=1) as pool, pool.connection() as conn:
            with conn:
                self.run(conn, self.opening)
            assert self.driver.status(conn) == IDLE
            assert pool.stats().used == 1
            assert self.fetch(conn, self.select) == [(1,)]

    def test_a_cursor_has_rows_where_its_description_tells_of_them(
        self, target: dict[str, Any]
    ) -> None:
        with Pool(target, driver=self.driver, max_size=1) as pool, pool.connection() as conn:
            cursor = conn.cursor()
            assert not self.driver.has_rows(cursor)
            for statement in (self.select, self.opening, self.select):
                cursor.execute(statement)
                assert self.driver.has_rows(cursor) is (cursor.description is not None)
            assert self.driver.has_rows(cursor)
            cursor.close()

    def test_an_error_of_the_pool_is_also_an_operational_error_of_the_driver(
        self, target: dict[str, Any]
    ) -> None:
        with Pool(target, driver=self.driver, max_size=1) as pool, pool.connection():
            with pytest.raises(PoolTimeout) as caught:
                pool.getconn(timeout=0)
            assert isinstance(caught.value, self.driver.OperationalError)

    def test_the_next_borrower_hears_no_notification_of_the_last(
        self, target: dict[str, Any]
    ) -> None:
        self.needs("notifications")
        with Pool(target, driver=self.driver, max_size=1, reset="always") as pool:
            with pool.connection() as conn:
                self.driver.execute(conn, "listen multipool_test")
                self.driver.execute(conn, "notify multipool_test, 'secret'")
                self.driver.drain(conn)
            with pool.connection() as again:
                assert again is conn
                assert self.payloads(again) == []
