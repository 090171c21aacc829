# Written by multipool_django.generate; change that instead.
"""``ENGINE = "multipool_django.postgis.psycopg"``: Django's PostGIS backend, pooled."""

from multipool_django.twin import Twin

twin = Twin(
    __name__,
    driver="psycopg",
    hidden=["psycopg2"],
    stand_ins={"django.db.backends.postgresql": "multipool_django.psycopg"},
    original="django.contrib.gis.db.backends.postgis",
)
