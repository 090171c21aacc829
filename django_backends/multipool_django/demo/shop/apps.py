"""The Django application's configuration."""

from __future__ import annotations

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """The demo's only application, with the label ``shop``."""

    name = "multipool_django.demo.shop"
    label = "shop"
    default_auto_field = "django.db.models.BigAutoField"
