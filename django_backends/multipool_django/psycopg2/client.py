# Written by multipool_django.generate; change that instead.
"""Django's ``postgresql.client`` for psycopg2."""

from multipool_django.passwords import PasswordForShell
from multipool_django.psycopg2 import twin

original = twin.execute(globals())


class DatabaseClient(PasswordForShell, original.DatabaseClient):
    """psql, as ``manage.py dbshell`` starts it."""
