"""What ``manage.py shell`` runs: GeoDjango on the ENGINE of the settings."""

from __future__ import annotations

from importlib import import_module

from django.contrib.gis.db.models.functions import Distance
from django.contrib.gis.geos import Point, Polygon
from django.contrib.gis.measure import D
from django.db import connection, connections

from places.models import Place

PRAGUE, BRNO = Point(14.42, 50.09, srid=4326), Point(16.61, 49.19, srid=4326)


def main() -> None:
    """Raise unless geometries go there and back, on every connection of the pool."""
    assert connection.pool is not None
    driver = import_module(connection.pool.driver.name)
    assert connection.Database is driver
    square = Polygon.from_bbox((14, 50, 15, 51))
    Place.objects.create(name="Prague", point=PRAGUE, area=square)
    Place.objects.create(name="Brno", point=BRNO)

    # A second connection of the pool, one that `manage.py migrate` has not seen.
    other = connection.copy()
    other.ensure_connection()
    connection.close()
    ask()
    connection.close()
    other.close()
    ask()
    assert connection.pool.stats().opened == 2

    # Another database has other numbers for the same types.
    with connections["second"].cursor() as cursor:
        cursor.execute("create table before_the_extension ()")
        cursor.execute("create type one_more as enum ()")
    connections["second"].prepare_database()
    connections["second"].close()
    with connections["second"].schema_editor() as editor:
        editor.create_model(Place)
    Place.objects.using("second").create(name="Prague", point=PRAGUE, area=square)
    assert Place.objects.using("second").get().point.equals_exact(PRAGUE, 1e-9)
    ask()
    print("done")


def ask() -> None:
    near = Place.objects.filter(point__dwithin=(PRAGUE, 0.1)).get()
    assert near.name == "Prague"
    assert near.point.equals_exact(PRAGUE, 1e-9)
    assert near.area is not None
    assert near.area.contains(near.point)
    within = Place.objects.filter(area__covers=PRAGUE)
    assert [place.name for place in within] == ["Prague"]
    far = Place.objects.annotate(metres=Distance("point", PRAGUE)).order_by("-metres").first()
    assert far is not None
    assert far.name == "Brno"
    assert far.metres > D(km=150)
