# Written by multipool_django.generate; change that instead.
"""Django's ``postgresql.base`` for psycopg, and on top of it the wrapper with the pool."""

from multipool_django.psycopg import twin
from multipool_django.wrapper import PooledWrapper

original = twin.execute(globals())


class DatabaseWrapper(PooledWrapper, original.DatabaseWrapper):
    """A connection of Django to PostgreSQL through psycopg, taken from a pool."""

    driver = "psycopg"
    IsolationLevel = original.IsolationLevel
