# Written by multipool_django.generate; change that instead.
from django.db.backends.postgresql.operations import *  # noqa: F403
