# Written by multipool_django.generate; change that instead.
"""Django's ``postgresql.introspection`` for psycopg."""

from multipool_django.psycopg import twin

twin.execute(globals())
