# Written by multipool_django.generate; change that instead.
"""Django's ``postgresql.features`` for pg8000."""

from multipool_django.exclusions import Exclusions
from multipool_django.pg8000 import twin

original = twin.execute(globals())


class DatabaseFeatures(Exclusions, original.DatabaseFeatures):
    """What Django may expect of PostgreSQL through pg8000."""
