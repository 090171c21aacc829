# Written by multipool_django.generate; change that instead.
"""Django's ``postgresql.creation`` for psycopg2."""

from multipool_django.creation import PooledCreation
from multipool_django.psycopg2 import twin

original = twin.execute(globals())


class DatabaseCreation(PooledCreation, original.DatabaseCreation):
    """The test runner's databases."""
