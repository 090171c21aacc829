# Written by multipool_django.generate; change that instead.
"""Django's ``postgis.base`` for psycopg, and on top of it the wrapper with the pool."""

from multipool_django.postgis.psycopg import twin
from multipool_django.postgis.wrapper import SpatialWrapper

original = twin.execute(globals())


class DatabaseWrapper(SpatialWrapper, original.DatabaseWrapper):
    """A connection of Django to PostGIS through psycopg, taken from a pool."""

    plain = original.PsycopgDatabaseWrapper
