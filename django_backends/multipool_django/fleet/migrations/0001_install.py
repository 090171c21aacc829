"""Put what the fleet needs into a PostgreSQL database; leave any other alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import migrations

from multipool.fleet.installing import REMOVE, script


def install(apps: Any, schema_editor: Any) -> None:
    """Install it, for the roles that the settings name."""
    if schema_editor.connection.vendor == "postgresql":
        writers, readers = map(_roles, ("MULTIPOOL_FLEET_WRITERS", "MULTIPOOL_FLEET_READERS"))
        schema_editor.execute(script(writers, readers), params=None)


def _roles(name: str) -> Sequence[str]:
    roles = getattr(settings, name, ())
    if not isinstance(roles, (list, tuple)):  # each letter of a string would be one
        raise ImproperlyConfigured(f"{name} is {roles!r}; it must be a list of names of roles")
    return roles


def remove(apps: Any, schema_editor: Any) -> None:
    """Remove it, with all that was counted."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(REMOVE, params=None)


class Migration(migrations.Migration):
    """The schema ``multipool``."""

    operations = [migrations.RunPython(install, remove)]  # noqa: RUF012  # as Django has it
