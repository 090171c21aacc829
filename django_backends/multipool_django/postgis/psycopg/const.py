# Written by multipool_django.generate; change that instead.
"""Django's ``postgis.const``, the same for all."""

from django.contrib.gis.db.backends.postgis.const import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]
