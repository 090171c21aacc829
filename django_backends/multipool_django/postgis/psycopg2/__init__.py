# Written by multipool_django.generate; change that instead.
"""``ENGINE = "multipool_django.postgis.psycopg2"``: Django's PostGIS backend, pooled."""

from multipool_django.twin import Twin

twin = Twin(
    __name__,
    driver="psycopg2",
    hidden=["psycopg"],
    stand_ins={"django.db.backends.postgresql": "multipool_django.psycopg2"},
    original="django.contrib.gis.db.backends.postgis",
)
