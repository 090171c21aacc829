"""What the server can tell about an alias's settings, asked by Django's database checks.

Django asks with ``manage.py migrate`` and ``manage.py check --database default``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.validation import BaseDatabaseValidation

from multipool_django import processes

if TYPE_CHECKING:
    from multipool import Pool

#: PostgreSQL before 16 has no ``reserved_connections``.
LIMITS: Final = """
    select pg_backend_pid(),
           current_setting('max_connections')::int,
           current_setting('superuser_reserved_connections')::int
           + coalesce(current_setting('reserved_connections', true), '0')::int
"""


class PoolValidation(BaseDatabaseValidation):
    """Django's hook for checks that connect: ``DatabaseWrapper.validation_class``."""

    connection: Any

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Return what the server says against this alias's pool. Connects, and asks once.

        Raises Django's ``OperationalError`` if the server cannot be reached, as Django's own
        checks do.
        """
        found: list[CheckMessage] = super().check(**kwargs)
        try:
            pool = self.connection.pool
            number = processes.count()
        except ImproperlyConfigured:  # `checks` tells of it
            return found
        if pool is None:
            return found
        with self.connection.cursor() as cursor:
            cursor.execute(LIMITS)
            pid, limit, reserved = cursor.fetchone()
        where = f"DATABASES[{self.connection.alias!r}]"
        if pool.driver.backend_pid(self.connection.connection) != pid:
            # A pooler stands in between, and answers for the server with pids of its own.
            role = self.connection.settings_dict["OPTIONS"].get("assume_role")
            return found if role is None else [*found, _role_behind_a_pooler(where)]
        if pool.config.limit * number > limit - reserved:
            found.append(_too_many(pool, number, limit, reserved, where))
        return found


def _too_many(pool: Pool, number: int, limit: int, reserved: int, where: str) -> CheckMessage:
    of_all = "" if number == 1 else f" in each of {number} processes"
    return CheckWarning(
        f"Pool {pool.name!r} may open max_size={pool.config.max_size} connections{of_all}; the"
        f" server accepts {limit - reserved} in all (max_connections={limit}, of which"
        f" {reserved} are reserved).",
        hint="Lower max_size, raise the server's max_connections, or put PgBouncer in between."
        f" The number of processes is the setting {processes.SETTING}, else"
        f" {processes.VARIABLE} in the environment, else 1.",
        obj=where,
        id="multipool.W002",
    )


def _role_behind_a_pooler(where: str) -> CheckMessage:
    return CheckWarning(
        "assume_role behind a pooler: if that lends its connections by the transaction, the"
        " role is lost, and other clients get it.",
        hint="Log in as a user whose default role it is (ALTER ROLE ... SET role = ...), or"
        " let the pooler lend by the session; then add multipool.W003 to"
        " SILENCED_SYSTEM_CHECKS.",
        obj=where,
        id="multipool.W003",
    )
