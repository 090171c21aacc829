"""Django's settings, without the price of asking for one.

``settings.USE_TZ`` goes through two functions of Django's, each time. What was asked for before
lies in the object's own dict until it may have changed: see ``LazySettings.__setattr__``.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings


class _Known:
    """Has the dict of Django's own ``settings`` for its own, and asks these for what is not there.

    It may stand in their place for whoever reads them.
    """

    def __init__(self) -> None:
        vars(type(self))["__dict__"].__set__(self, object.__getattribute__(settings, "__dict__"))

    def __getattr__(self, name: str) -> Any:
        return getattr(settings, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(settings, name, value)  # who overrides them is told, and forgets what it was

    def __delattr__(self, name: str) -> None:
        delattr(settings, name)


known: Final[Any] = _Known()
