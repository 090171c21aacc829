# Written by multipool_django.generate; change that instead.
"""Django's ``postgis.introspection`` for psycopg2."""

from multipool_django.postgis.psycopg2 import twin

twin.execute(globals())
