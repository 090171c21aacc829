# Written by multipool_django.generate; change that instead.
"""``ENGINE = "multipool_django.psycopg2"``: Django's PostgreSQL backend on psycopg2, pooled."""

from multipool_django.primary import make_primary_if_undisputed
from multipool_django.twin import Twin

twin = Twin(
    __name__,
    driver="psycopg2",
    hidden=["psycopg"],
    stand_ins={},
)

make_primary_if_undisputed(twin)
