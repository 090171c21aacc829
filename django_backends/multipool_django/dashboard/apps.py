"""The app, apart from ``multipool_django``: who does not want the page gets no permissions."""

from __future__ import annotations

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """Brings the page, and the permissions to see it."""

    name = "multipool_django.dashboard"
    label = "multipool"
    verbose_name = "Connection pools"
