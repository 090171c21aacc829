"""A Django project with the fleet: ``project.py PARAMS DRIVER migrate ...`` or ``... visit``."""

from __future__ import annotations

import json
import sys
import time

import django
from django.conf import settings
from django.core.management import call_command


def main() -> None:
    params, driver, *arguments = json.loads(sys.argv[1]), *sys.argv[2:]
    visits = arguments == ["visit"]
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": f"multipool_django.{driver}",
                "HOST": params["host"],
                "PORT": params["port"],
                "USER": "fleet_app" if visits else params["user"],
                "NAME": params["dbname"],
                "OPTIONS": {"pool": {"fleet": True}} if visits else {},
            }
        },
        INSTALLED_APPS=["multipool_django.fleet"],
        MULTIPOOL_FLEET_WRITERS=["fleet_app"],
        MULTIPOOL_FLEET_READERS=["fleet_ops"],
        ROOT_URLCONF="bookshop.urls",
        USE_TZ=True,
    )
    django.setup()
    if visits:
        visit()
    else:
        call_command(*arguments, verbosity=0)


def visit() -> None:
    """Use the database until the fleet knows."""
    from django.db import connection

    from multipool.fleet import beating

    deadline = time.monotonic() + 10
    while not any(heart._epoch for heart in beating._hearts.values()):
        assert time.monotonic() < deadline
        connection.cursor().execute("select 1")
        connection.close()
        time.sleep(0.05)


if __name__ == "__main__":
    main()
