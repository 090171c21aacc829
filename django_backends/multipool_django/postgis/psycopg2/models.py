# Written by multipool_django.generate; change that instead.
"""Django's ``postgis.models``, the same for all."""

from django.contrib.gis.db.backends.postgis.models import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]
