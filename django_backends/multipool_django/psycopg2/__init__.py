# Written by multipool_django.generate; change that instead.
"""``ENGINE = "multipool_django.psycopg2"``: Django's PostgreSQL backend on psycopg2, pooled."""

from multipool_django.twin import Twin

twin = Twin(__name__, driver="psycopg2", hidden=["psycopg"])
