# Written by multipool_django.generate; change that instead.
"""``ENGINE = "multipool_django.psycopg"``: Django's PostgreSQL backend on psycopg, pooled."""

from multipool_django.primary import make_primary_if_undisputed
from multipool_django.twin import Twin

twin = Twin(
    __name__,
    driver="psycopg",
    hidden=["psycopg2"],
    stand_ins={},
)

make_primary_if_undisputed(twin)
