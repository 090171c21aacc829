"""Changes no table: Django wants a model's permissions to come by a migration."""

from __future__ import annotations

from django.contrib.auth.models import PermissionManager
from django.db import migrations


class Migration(migrations.Migration):
    """The model that the permissions are about."""

    initial = True
    dependencies = [("auth", "0012_alter_user_first_name_max_length")]  # noqa: RUF012
    operations = [  # noqa: RUF012
        migrations.CreateModel(
            name="Dashboard",
            fields=[],
            options={
                "verbose_name": "dashboard",
                "verbose_name_plural": "dashboard",
                "permissions": (
                    ("view_dashboard", "Can see all connection pools"),
                    ("view_raw_sql", "Can see statements with their literals"),
                    ("terminate_backend", "Can cancel queries and end sessions"),
                ),
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("auth.permission",),
            managers=[("objects", PermissionManager())],
        )
    ]
