# Written by multipool_django.generate; change that instead.
"""Django's ``postgresql.compiler`` for psycopg2."""

from multipool_django.psycopg2 import twin

twin.execute(globals())
