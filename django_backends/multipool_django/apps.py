"""``INSTALLED_APPS = ["multipool_django", ...]``: optional, and first if it is there."""

from __future__ import annotations

from types import ModuleType

from django.apps import AppConfig
from django.conf import settings

from multipool_django.engines import refuse_unknown
from multipool_django.primary import CONTRIB, make_primary_by_settings
from multipool_django.type_handlers import dispatch_by_driver


class MultipoolConfig(AppConfig):
    """Lets ``django.contrib.postgres`` work on the driver that the ENGINE is for."""

    name = "multipool_django"
    verbose_name = "Connection pools"

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        super().__init__(app_name, app_module)
        refuse_unknown(settings.DATABASES)
        # Not in ready(): by then the apps that follow have been imported.
        make_primary_by_settings(settings.DATABASES)
        if any(app.startswith(CONTRIB) for app in settings.INSTALLED_APPS):
            dispatch_by_driver()
