"""A system check: range fields work only where their classes of ranges are the driver's."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning

from multipool_django.primary import CONTRIB

FIELDS = f"{CONTRIB}.fields.ranges"


def check_ranges(alias: str, driver: str) -> list[CheckMessage]:
    """Warn if models have range fields whose values *driver* does not know.

    ``django.contrib.postgres`` takes the classes of ranges from one driver for the whole
    process: from that of the primary ENGINE, or else of Django's choice.
    """
    theirs: Any = sys.modules.get(FIELDS)
    if theirs is None or not _used(theirs.RangeField):
        return []
    ours = import_module(f"multipool_django.{driver}.psycopg_any")
    if theirs.DateRangeField.range_type is ours.DateRange:
        return []
    return [
        CheckWarning(
            f"Range fields take their ranges from {theirs.DateRangeField.range_type.__module__},"
            f" which the ENGINE for {driver} does not know.",
            hint=f'Put "multipool_django" before "{CONTRIB}" in INSTALLED_APPS, or call'
            f" multipool_django.primary.make_primary({driver!r}) in the settings.",
            obj=f"DATABASES[{alias!r}]",
            id="multipool.W005",
        )
    ]


def _used(field_class: type) -> bool:
    return any(
        isinstance(field, field_class)
        for model in apps.get_models()
        for field in model._meta.get_fields()
    )
