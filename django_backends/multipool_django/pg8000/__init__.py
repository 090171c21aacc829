# Written by multipool_django.generate; change that instead.
"""``ENGINE = "multipool_django.pg8000"``: Django's PostgreSQL backend on pg8000, pooled."""

from multipool_django.primary import make_primary_if_undisputed
from multipool_django.twin import Twin

twin = Twin(
    __name__,
    driver="pg8000",
    hidden=["psycopg"],
    stand_ins={"psycopg2": "multipool_django.pg8000.facade"},
)

make_primary_if_undisputed(twin)
