# Written by multipool_django.generate; change that instead.
from django.db.backends.postgresql.introspection import *  # noqa: F403
