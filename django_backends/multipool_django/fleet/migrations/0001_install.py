"""Put what the fleet needs into a PostgreSQL database; leave any other alone."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import migrations

from multipool.fleet.installing import REMOVE, script


def install(apps: Any, schema_editor: Any) -> None:
    """Install it, for the roles that the settings name."""
    if schema_editor.connection.vendor == "postgresql":
        roles = [
            getattr(settings, name, ())
            for name in ("MULTIPOOL_FLEET_WRITERS", "MULTIPOOL_FLEET_READERS")
        ]
        schema_editor.execute(script(*roles), params=None)


def remove(apps: Any, schema_editor: Any) -> None:
    """Remove it, with all that was counted."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(REMOVE, params=None)


class Migration(migrations.Migration):
    """The schema ``multipool``."""

    operations = [migrations.RunPython(install, remove)]  # noqa: RUF012  # as Django has it
