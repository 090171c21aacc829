# Written by multipool_django.generate; change that instead.
from django.db.backends.postgresql.client import *  # noqa: F403
