# Written by multipool_django.generate; change that instead.
"""Django's ``postgresql.base`` for pg8000, and on top of it the wrapper with the pool."""

from multipool_django.pg8000 import twin
from multipool_django.wrapper import PooledWrapper

original = twin.execute(globals())


class DatabaseWrapper(PooledWrapper, original.DatabaseWrapper):
    """A connection of Django to PostgreSQL through pg8000, taken from a pool."""

    driver = "pg8000"
    IsolationLevel = original.IsolationLevel
