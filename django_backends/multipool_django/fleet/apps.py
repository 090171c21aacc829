"""``INSTALLED_APPS = [..., "multipool_django.fleet"]``."""

from __future__ import annotations

from django.apps import AppConfig


class FleetConfig(AppConfig):
    """Has no models: the tables are `multipool.fleet`'s, and no business of the ORM."""

    name = "multipool_django.fleet"
    label = "multipool_fleet"
    verbose_name = "The fleet of connection pools"
