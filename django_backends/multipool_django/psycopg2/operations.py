# Written by multipool_django.generate; change that instead.
"""Django's ``postgresql.operations`` for psycopg2."""

from multipool_django.psycopg2 import twin

original = twin.execute(globals())

# A string in Django. It must name this package's compiler, or there would be two kinds
# of `InsertUnnest`, of which each knows only its own.
original.DatabaseOperations.compiler_module = "multipool_django.psycopg2.compiler"
