"""The tables of the library, as ``makemigrations`` wrote them."""

import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = ()

    operations = (
        migrations.CreateModel(
            name="Author",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80)),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Book",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("title", models.CharField(max_length=200)),
                ("price", models.DecimalField(decimal_places=2, max_digits=8, null=True)),
                ("copies", models.PositiveIntegerField(default=1)),
                ("printed", models.DateField(null=True)),
                ("added", models.DateTimeField(null=True)),
                ("reading_time", models.DurationField(null=True)),
                ("in_print", models.BooleanField(default=True)),
                ("weight", models.FloatField(null=True)),
                ("cover", models.BinaryField(null=True)),
                ("notes", models.JSONField(default=dict)),
                ("seen_from", models.GenericIPAddressField(null=True)),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="books",
                        to="library.author",
                    ),
                ),
            ],
            options={
                "ordering": ("title",),
                "constraints": (
                    models.UniqueConstraint(fields=("author", "title"), name="one_title"),
                ),
            },
        ),
    )
