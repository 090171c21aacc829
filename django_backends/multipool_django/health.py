"""``CONN_HEALTH_CHECKS``: a query before a connection is lent that was idle for a while."""

from __future__ import annotations

from typing import Any

from multipool.clock import clock
from multipool.driver import Driver


class HealthCheck:
    """A pool's ``check`` callable: asks the server, at the price of a round trip.

    The pool sees by itself, and for nothing, when a server has said that it goes. This
    finds also one that went without a word, as when its machine lost power. One that was
    lent just now need not be asked again.

    Args:
        driver: The adapter that runs the query.
        check_after: The pool's option: seconds since a connection was lent last.
    """

    def __init__(self, driver: Driver, check_after: float) -> None:
        self._driver = driver
        self._check_after = check_after

    def __call__(self, connection: Any) -> None:
        """Raise the driver's error if *connection* is dead."""
        if clock.read() - connection._multipool_slot.since >= self._check_after:
            self._driver.execute(connection, "SELECT 1")
