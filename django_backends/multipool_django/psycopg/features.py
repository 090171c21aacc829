# Written by multipool_django.generate; change that instead.
"""Django's ``postgresql.features`` for psycopg."""

from multipool_django.exclusions import Exclusions
from multipool_django.psycopg import twin

original = twin.execute(globals())


class DatabaseFeatures(Exclusions, original.DatabaseFeatures):
    """What Django may expect of PostgreSQL through psycopg."""
