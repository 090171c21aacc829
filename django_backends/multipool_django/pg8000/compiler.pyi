# Written by multipool_django.generate; change that instead.
from django.db.backends.postgresql.compiler import *  # noqa: F403
