# Written by multipool_django.generate; change that instead.
from django.db.backends.postgresql.creation import *  # noqa: F403
