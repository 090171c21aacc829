# Written by multipool_django.generate; change that instead.
from django.db.backends.postgresql.features import *  # noqa: F403
