"""Authors and books, with a field of each kind that drivers treat differently."""

from __future__ import annotations

import uuid

from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=80)

    class Meta:
        ordering = ("name",)


class Book(models.Model):
    key = models.UUIDField(default=uuid.uuid4, unique=True)
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
    title = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    copies = models.PositiveIntegerField(default=1)
    printed = models.DateField(null=True)
    added = models.DateTimeField(null=True)
    reading_time = models.DurationField(null=True)
    in_print = models.BooleanField(default=True)
    weight = models.FloatField(null=True)
    cover = models.BinaryField(null=True)
    notes = models.JSONField(default=dict)
    seen_from = models.GenericIPAddressField(null=True)

    class Meta:
        ordering = ("title",)
        constraints = (models.UniqueConstraint(fields=["author", "title"], name="one_title"),)
