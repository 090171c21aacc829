# Written by multipool_django.generate; change that instead.
from django.db.backends.postgresql.schema import *  # noqa: F403
