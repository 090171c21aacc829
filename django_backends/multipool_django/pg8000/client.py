# Written by multipool_django.generate; change that instead.
"""Django's ``postgresql.client`` for pg8000."""

from multipool_django.passwords import PasswordForShell
from multipool_django.pg8000 import twin

original = twin.execute(globals())


class DatabaseClient(PasswordForShell, original.DatabaseClient):
    """psql, as ``manage.py dbshell`` starts it."""
