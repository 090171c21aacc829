"""What Django does to a connection it has just opened, done once by the pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.db.backends.base.base import NO_DB_ALIAS

from multipool import get_driver

if TYPE_CHECKING:
    from multipool_django.pooled_alias import PooledAlias


class Opening:
    """A pool's ``configure`` callable: isolation level, JSON, time zone and role.

    Django would do this at each of its connects, and with a pool that is each checkout.
    It is Django's own code that runs here, on a wrapper of its own for each physical
    connection: that wrapper is given the connection where it would connect.

    Args:
        wrapper: The class of wrapper to borrow the code from.
        settings: The alias's settings.
        params: What Django would connect with.
        then: The user's own ``configure``, called last.
    """

    def __init__(
        self,
        wrapper: type[PooledAlias],
        settings: dict[str, Any],
        params: Mapping[str, Any],
        then: Callable[[Any], object] | None,
    ) -> None:
        self._wrapper = wrapper
        self._driver = get_driver(wrapper.driver)
        # A copy, since the test runner changes the settings in place.
        self._settings = {**settings, "OPTIONS": {**settings["OPTIONS"]}}
        self._params = dict(params)
        if callable(params.get("password")):
            # It was asked already. A subclass may look at what the settings have.
            del self._params["password"]
            if isinstance(settings["PASSWORD"], str) and settings["PASSWORD"]:
                self._params["password"] = settings["PASSWORD"]
        self._then = then

    def __call__(self, connection: Any) -> bool:
        """Configure *connection* and leave it in autocommit. Raises the driver's errors.

        Returns whether the server may have been told anything.
        """
        # No alias, so no pool.
        wrapper: Any = self._wrapper(self._settings, NO_DB_ALIAS)
        wrapper.Database = SimpleNamespace(connect=lambda **params: connection)
        wrapper.connection = wrapper.get_new_connection({**self._params})
        # After the isolation level, as in Django: psycopg2 turns autocommit off with it.
        connection.autocommit = True
        told: bool = wrapper._configure_connection(connection)
        # Django ends its transactions by the connection's own commit() and rollback().
        self._driver.piggyback_begin(connection)
        if self._then is not None:
            self._then(connection)
        return told or self._then is not None
