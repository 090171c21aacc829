"""The Django application's configuration."""

from __future__ import annotations

from pathlib import Path

from django.apps import AppConfig

from multipool.watch.library import is_library

# It is the application here, though it comes with a library.
is_library.exempt(Path(__file__).parent)


class ShopConfig(AppConfig):
    """The demo's only application, with the label ``shop``."""

    name = "multipool_django.demo.shop"
    label = "shop"
    default_auto_field = "django.db.models.BigAutoField"
