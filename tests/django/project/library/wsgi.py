"""The site for servers that load it before they fork; it uses the database as it is loaded."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
application = get_wsgi_application()

from django.db import connection  # noqa: E402  # the settings are there only now

with connection.cursor() as cursor:
    cursor.execute("select pg_backend_pid()")
    os.environ["LIBRARY_LOADED_BY"] = str(cursor.fetchone()[0])
connection.close()
