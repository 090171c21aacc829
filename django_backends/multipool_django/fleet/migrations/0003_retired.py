"""Bring what was installed up to date: the totals of the gone have a bounded number of rows."""

from __future__ import annotations

from importlib import import_module

from django.db import migrations

first = import_module("multipool_django.fleet.migrations.0001_install")


class Migration(migrations.Migration):
    """The same once more, which changes only what is missing or old."""

    dependencies = [("multipool_fleet", "0002_budget")]  # noqa: RUF012  # as Django has it
    operations = [  # noqa: RUF012
        migrations.RunPython(first.install, migrations.RunPython.noop)
    ]
