"""What a Django project is called in the fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings


def with_name(fleet: Any) -> Any:
    """Return the option ``fleet`` with the project's name, unless it has one.

    That is the package that ``ROOT_URLCONF`` is in: ``shop`` for ``shop.urls``. What is wrong
    with the option is left to `PoolConfig`.
    """
    project = getattr(settings, "ROOT_URLCONF", "").partition(".")[0]
    if not project:
        return fleet
    if fleet is True:
        return {"app": project}
    return {"app": project, **fleet} if isinstance(fleet, Mapping) else fleet
