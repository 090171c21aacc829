# Written by multipool_django.generate; change that instead.
from django.db.backends.postgresql.psycopg_any import *  # noqa: F403
