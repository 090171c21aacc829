"""The test runner's databases: nobody stays connected to one that must go."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import MethodType
from typing import Any

from django.db import connections

from multipool_django.engines import original
from multipool_django.targets import close_pools_to


class PooledCreation:
    """Mixin for ``DatabaseCreation``.

    PostgreSQL neither drops nor copies a database that has other sessions ("is being
    accessed by other users"), and pools keep theirs: also those of aliases that the runner
    does not think of at that moment, such as mirrors.
    """

    connection: Any
    # Django's own, which stands behind this.
    _nodb_cursor: Callable[[], AbstractContextManager[Any]]

    def test_db_signature(self) -> tuple[object, ...]:
        """Return what aliases have in common that share a test database.

        It is none of the driver: by two of our ENGINEs, or by one of ours and Django's own, they
        reach the same one, which the second could neither make nor drop.
        """
        # A mixin: what it stands in front of has it, and django-stubs know.
        found: tuple[object, ...] = super().test_db_signature()  # type: ignore[misc]
        engine: str = self.connection.settings_dict["ENGINE"]
        return tuple(original(engine) if part == engine else part for part in found)

    def set_as_test_mirror(self, primary_settings_dict: dict[str, Any]) -> None:
        """Use the test database of the alias with these settings.

        Called by the runner, also for what has the same `test_db_signature`.
        """
        # A mixin: what it stands in front of has it, and django-stubs know.
        super().set_as_test_mirror(primary_settings_dict)  # type: ignore[misc]
        for wrapper in connections.all(initialized_only=True):
            # By Django's own ENGINE it would be dropped without a word to our pools.
            if wrapper.settings_dict is primary_settings_dict:
                _let_all_go(wrapper.creation)

    def _execute_create_test_db(
        self, cursor: Any, parameters: dict[str, str], keepdb: bool = False
    ) -> None:
        template = self.connection.settings_dict["TEST"].get("TEMPLATE")
        if template is not None:
            # What the runner copies for its parallel processes it has let go itself.
            for wrapper in connections.all(initialized_only=True):
                if wrapper.settings_dict["NAME"] == template:
                    wrapper.close()
            close_pools_to(template)
        # A mixin: what it stands in front of has it, and django-stubs leave it out there too.
        super()._execute_create_test_db(cursor, parameters, keepdb)  # type: ignore[misc]

    def _destroy_test_db(self, test_database_name: str, verbosity: int) -> None:
        self.connection.close_pool()  # Django's own, if this is its `creation`
        close_pools_to(test_database_name)
        with self._nodb_cursor() as cursor:
            name = self.connection.ops.quote_name(test_database_name)
            # A thread that a test left behind may still hold a connection.
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _let_all_go(creation: Any) -> None:
    """Have *creation*, of whatever ENGINE for PostgreSQL, drop its databases as ours does."""
    if creation.connection.vendor == "postgresql" and not isinstance(creation, PooledCreation):
        creation._destroy_test_db = MethodType(PooledCreation._destroy_test_db, creation)
