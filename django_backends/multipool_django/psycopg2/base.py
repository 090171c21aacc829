# Written by multipool_django.generate; change that instead.
"""Django's ``postgresql.base`` for psycopg2."""

from multipool_django.psycopg2 import twin

twin.execute(globals())

from multipool_django.wrapper import PooledWrapper  # noqa: E402  # Django's names come first


class DatabaseWrapper(PooledWrapper, DatabaseWrapper):  # noqa: F821  # Django's own, until here
    """A connection of Django to PostgreSQL through psycopg2, taken from a pool."""

    driver = "psycopg2"
    IsolationLevel = IsolationLevel  # noqa: F821  # Django's, with this driver's numbers
