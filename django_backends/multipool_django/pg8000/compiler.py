# Written by multipool_django.generate; change that instead.
"""Django's ``postgresql.compiler`` for pg8000."""

from multipool_django.pg8000 import twin

twin.execute(globals())
