"""What the server can tell about an alias's settings, asked by Django's database checks.

Django asks with ``manage.py migrate`` and ``manage.py check --database default``.
"""

from __future__ import annotations

from math import inf
from typing import Any, Final

from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.validation import BaseDatabaseValidation

from multipool_django import processes
from multipool_django.demand import Demand, demand

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
        with pool.hold(), self.connection.cursor() as cursor:
            cursor.execute(LIMITS)
            pid, limit, reserved = cursor.fetchone()
            told = pool.driver.backend_pid(self.connection.connection)
        where = f"DATABASES[{self.connection.alias!r}]"
        if told != pid:
            # A pooler stands in between, and answers for the server with pids of its own.
            return found + _behind_a_pooler(self.connection.settings_dict, where)
        wanted = demand(self.connection.settings_dict, number)
        if wanted.each * number + wanted.budgeted > limit - reserved:
            found.append(_too_many(wanted, number, limit, reserved, where))
        return found


def _too_many(wanted: Demand, number: int, limit: int, reserved: int, where: str) -> CheckMessage:
    pools = ", ".join(map(repr, wanted.aliases))
    parts = []
    if wanted.each:
        many = "any number of" if wanted.each == inf else wanted.each
        of_all = "" if number == 1 else f" in each of {number} processes"
        parts.append(f"{many} connections{of_all}")
    if wanted.budgeted:
        parts.append(f"{wanted.budgeted} connections by budget in all processes together")
    return CheckWarning(
        f"The pools on this server ({pools}) may open {' and '.join(parts)}; it accepts"
        f" {limit - reserved} in all (max_connections={limit}, of which {reserved} are reserved).",
        hint="Lower max_size or the budget, raise the server's max_connections, or put PgBouncer in"
        f" between. The number of processes is the setting {processes.SETTING}, else"
        f" {processes.VARIABLE} in the environment, else 1.",
        obj=where,
        id="multipool.W002",
    )


def _behind_a_pooler(settings: dict[str, Any], where: str) -> list[CheckMessage]:
    """Return what goes wrong if the pooler lends its connections by the transaction.

    Whether it does, or by the session, nothing tells.
    """
    silence = "If the pooler lends by the session, add {} to SILENCED_SYSTEM_CHECKS."
    found: list[CheckMessage] = []
    if settings["OPTIONS"].get("assume_role") is not None:
        found.append(
            CheckWarning(
                "assume_role behind a pooler: where that lends its connections by the"
                " transaction, the role is lost, and other clients get it.",
                hint="Log in as a user whose default role it is (ALTER ROLE ... SET role = ...)."
                f" {silence.format('multipool.W003')}",
                obj=where,
                id="multipool.W003",
            )
        )
    if not settings.get("DISABLE_SERVER_SIDE_CURSORS"):
        found.append(
            CheckWarning(
                "Server-side cursors behind a pooler: where that lends its connections by the"
                " transaction, a QuerySet's iterator() outside of one loses its cursor.",
                hint=f"Set DISABLE_SERVER_SIDE_CURSORS to True. {silence.format('multipool.W004')}",
                obj=where,
                id="multipool.W004",
            )
        )
    return found
