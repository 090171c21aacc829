"""Django's settings, without the price of asking for one.

``settings.USE_TZ`` goes through two functions of Django's, each time. What was asked for before
lies in the object's own dict until it may have changed: see ``LazySettings.__setattr__``.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings

#: What was asked for before, by name.
values: Final[dict[str, Any]] = object.__getattribute__(settings, "__dict__")


def known(name: str, values: dict[str, Any] = values) -> Any:
    """Return the setting *name*."""
    try:
        return values[name]
    except KeyError:
        return getattr(settings, name)
