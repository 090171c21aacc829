"""The shop's Django settings, made in code since they differ from process to process."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import django
from django.conf import settings


def configure(
    engine: str, params: Mapping[str, str], pool: Mapping[str, Any] | bool, **database: Any
) -> None:
    """Set Django up for the shop on the database that *params* (libpq's words) describe.

    *pool* is what ``OPTIONS["pool"]`` holds: False connects for every request, unless one of
    the other settings of the *database* (``CONN_MAX_AGE``, ...) says otherwise.
    """
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={
            "default": {
                "ENGINE": engine,
                "HOST": params["host"],
                "PORT": params["port"],
                "USER": params["user"],
                "PASSWORD": params["password"],
                "NAME": params["dbname"],
                "OPTIONS": {"pool": pool},
                **database,
            }
        },
        INSTALLED_APPS=["multipool_django.demo.shop"],
        # A failed request ends the demo: its traceback belongs on standard error.
        LOGGING={
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"stderr": {"class": "logging.StreamHandler"}},
            "loggers": {"django.request": {"handlers": ["stderr"], "level": "ERROR"}},
        },
        # No sessions and no CSRF: the clients are tills, not browsers.
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        ROOT_URLCONF="multipool_django.demo.shop.urls",
        SECRET_KEY=secrets.token_urlsafe(),
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
        ],
        USE_TZ=True,
    )
    django.setup()
