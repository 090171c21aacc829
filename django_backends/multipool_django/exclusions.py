"""Tests of Django's own suite that cannot pass on these backends, each with its reason."""

from typing import Any, Final

import django
from django.utils.functional import cached_property

_HEALTH: Final = "backends.base.test_base.ConnectionHealthChecksTests.test_health_checks_"
_POSTGRESQL: Final = "backends.postgresql.tests.Tests.test_"
_APPS: Final = "postgres_tests.test_apps.PostgresConfigTests.test_"

#: By driver ("" is any): reason -> tests.
SKIPS: Final[dict[str, dict[str, set[str]]]] = {
    "": {
        "CONN_MAX_AGE keeps no pooled connection.": {
            f"{_HEALTH}disabled",
            f"{_HEALTH}enabled_errors_occurred",
        },
        "Django's own pool is there for psycopg only.": {
            f"{_POSTGRESQL}connect_pool_setting_ignored_for_psycopg2",
        },
        "Looks into psycopg_pool's objects.": {
            f"{_POSTGRESQL}connect_pool",
            f"{_POSTGRESQL}pooling_health_checks",
            # Django refuses a name that its suite does not have.
            *([f"{_POSTGRESQL}pool_check_can_be_overridden"] if django.VERSION >= (6, 1) else []),
        },
    },
    "pg8000": {
        "The module of range types is psycopg2.extras.": {
            f"{_APPS}register_serializer_for_migrations",
        },
        "Starts a process with settings of its own, which need psycopg or psycopg2.": {
            "postgres_tests.test_integration.PostgresIntegrationTests.test_check",
        },
    },
}


class Exclusions:
    """Mixin for ``DatabaseFeatures``: adds `SKIPS` to Django's own."""

    connection: Any

    @cached_property
    def django_test_skips(self) -> dict[str, set[str]]:
        """The tests to skip, by reason."""
        skips: dict[str, set[str]] = super().django_test_skips  # type: ignore[misc]
        if self.connection.pooled:
            skips = {**skips, **SKIPS[""]}
        return {**skips, **SKIPS.get(self.connection.driver, {})}
