"""A model with a field of each kind that PostGIS has."""

from __future__ import annotations

from django.contrib.gis.db import models


class Place(models.Model):
    name = models.CharField(max_length=80)
    point = models.PointField()
    area = models.PolygonField(geography=True, null=True)
