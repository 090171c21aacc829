# Written by multipool_django.generate; change that instead.
"""Django's ``postgis.pgraster``, the same for all."""

from django.contrib.gis.db.backends.postgis.pgraster import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]
