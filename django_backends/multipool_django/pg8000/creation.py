# Written by multipool_django.generate; change that instead.
"""Django's ``postgresql.creation`` for pg8000."""

from multipool_django.creation import PooledCreation
from multipool_django.pg8000 import twin

original = twin.execute(globals())


class DatabaseCreation(PooledCreation, original.DatabaseCreation):
    """The test runner's databases."""
