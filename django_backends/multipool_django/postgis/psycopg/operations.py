# Written by multipool_django.generate; change that instead.
"""Django's ``postgis.operations`` for psycopg."""

from multipool_django.postgis.psycopg import twin

twin.execute(globals())
