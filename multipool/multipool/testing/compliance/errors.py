"""The driver's errors."""

from __future__ import annotations

from typing import Any

import pytest

from multipool.testing.compliance.suite import Suite


class Errors(Suite):
    """PEP 249's classes and the SQLSTATE."""

    def test_the_error_classes_are_pep_249s(self) -> None:
        driver = self.driver
        assert issubclass(driver.Error, Exception)
        assert issubclass(driver.InterfaceError, driver.Error)
        assert issubclass(driver.DatabaseError, driver.Error)
        assert issubclass(driver.OperationalError, driver.DatabaseError)

    def test_an_error_of_the_server_carries_its_sqlstate(self, conn: Any) -> None:
        with pytest.raises(self.driver.DatabaseError) as caught:
            self.fetch(conn, self.wrong)
        expected = self.wrong_sqlstate if self.sqlstates else None
        assert self.driver.sqlstate(caught.value) == expected

    def test_an_error_that_is_not_the_drivers_has_no_sqlstate(self) -> None:
        assert self.driver.sqlstate(ValueError("22012")) is None
        assert self.driver.sqlstate(self.driver.OperationalError("no route to host")) is None
