"""What permissions and the admin's index need to have something to be about."""

from __future__ import annotations

from django.contrib.auth.models import Permission


class Dashboard(Permission):
    """The page. A proxy: it has no table, and ``dumpdata`` passes it by."""

    class Meta:
        proxy = True
        default_permissions = ()
        permissions = (
            ("view_dashboard", "Can see all connection pools"),
            ("view_raw_sql", "Can see statements with their literals"),
            ("terminate_backend", "Can cancel queries and end sessions"),
        )
        verbose_name = "dashboard"
        verbose_name_plural = "dashboard"
