"""What an adapter may offer, and the pool makes use of where it does."""

from __future__ import annotations

from typing import Any

import pytest

from multipool import Pool
from multipool.driver import IDLE, INTRANS, observes
from multipool.testing.compliance.suite import Suite


class Offers(Suite):
    """Asking, prepared statements, observing, and BEGIN together with the first statement."""

    @pytest.mark.parametrize("changed", [False, True])
    def test_ask_returns_one_value_as_text_and_leaves_the_connection_as_it_was(
        self, conn: Any, changed: bool
    ) -> None:
        self._offered("asks")
        for name, value in self.client_settings.items() if changed else ():
            setattr(conn, name, value)
        before = {name: getattr(conn, name) for name in self.client_settings}
        driver = self.driver
        assert driver.ask(conn, "select upper(%s) || %s", "a'b", "%s") == "A'B%s"
        assert driver.ask(conn, "select cast(null as text)") is None
        assert driver.ask(conn, "select 'none' where 1 = 0") is None
        assert driver.status(conn) == IDLE
        assert {name: getattr(conn, name) for name in self.client_settings} == before

    def test_an_error_in_ask_is_the_drivers_and_leaves_the_connection_of_use(
        self, conn: Any
    ) -> None:
        self._offered("asks")
        with pytest.raises(self.driver.DatabaseError) as caught:
            self.driver.ask(conn, self.wrong)
        expected = self.wrong_sqlstate if self.sqlstates else None
        assert self.driver.sqlstate(caught.value) == expected
        assert self.driver.status(conn) == IDLE
        assert self.driver.ask(conn, "select 'well'") == "well"

    def test_a_statement_of_a_pool_that_prepares_is_prepared(self, target: dict[str, Any]) -> None:
        self._offered("prepares")
        with Pool(target, driver=self.driver, max_size=1, prepare={"threshold": 1}) as pool:
            for _ in range(2):
                with pool.connection() as conn:
                    assert self.fetch(conn, self.echo, ["a"]) == [("a",)]
            assert [plan.state for plan in pool.plans()] == ["prepared"]

    def test_a_pool_counts_what_is_executed(self, target: dict[str, Any]) -> None:
        if not observes(self.driver):
            pytest.skip(f"driver {self.driver.name!r} does not override observe")
        with Pool(target, driver=self.driver, max_size=1, queries=True) as pool:
            with pool.connection() as conn:
                self.fetch(conn, self.select)
                self.fetch(conn, self.select)
            assert [query.calls for query in pool.queries()] == [2]

    @pytest.mark.parametrize("end", ["commit", "rollback"])
    def test_a_begin_that_travels_with_a_statement_is_a_transaction_like_any_other(
        self, conn: Any, end: str
    ) -> None:
        self.driver.piggyback_begin(conn)
        for _ in range(2):
            assert self.driver.status(conn) == IDLE
            assert conn.autocommit is False
            self.run(conn, self.opening)
            assert self.driver.status(conn) == INTRANS
            assert self.fetch(conn, self.select) == [(1,)]
            getattr(conn, end)()
        assert self.driver.status(conn) == IDLE
        conn.autocommit = True
        self.fetch(conn, self.select)
        assert self.driver.status(conn) == IDLE

    def _offered(self, what: str) -> None:
        """Leave the present test out if the driver says that it does not offer it."""
        if not getattr(self.driver, what):
            pytest.skip(f"driver {self.driver.name!r} has {what} = False")
