# Written by multipool_django.generate; change that instead.
"""Django's ``postgresql.base`` for psycopg2, and on top of it the wrapper with the pool."""

from multipool_django.psycopg2 import twin
from multipool_django.wrapper import PooledWrapper

original = twin.execute(globals())


class DatabaseWrapper(PooledWrapper, original.DatabaseWrapper):
    """A connection of Django to PostgreSQL through psycopg2, taken from a pool."""

    driver = "psycopg2"
    IsolationLevel = original.IsolationLevel
