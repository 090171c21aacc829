"""The setting ``MULTIPOOL_DASHBOARD``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections

from multipool import Pool
from multipool.conninfo import did_you_mean

SETTING: Final = "MULTIPOOL_DASHBOARD"

_KNOWN: Final = ("ALIAS", "TERMINATE_BACKEND")


@dataclass(frozen=True, slots=True)
class DashboardOptions:
    """Which database is read, and whether sessions may be ended at all."""

    #: Its role must be able to read the fleet.
    alias: str = DEFAULT_DB_ALIAS
    #: Whether the permission ``terminate_backend`` counts.
    terminate_backend: bool = False

    @classmethod
    def read(cls) -> Self:
        """Return what the settings say; raises `ImproperlyConfigured` where that is wrong."""
        given = getattr(settings, SETTING, {})
        if not isinstance(given, dict):
            raise ImproperlyConfigured(f"{SETTING} must be a dict, not {given!r}")
        for name in given:
            if name not in _KNOWN:
                raise ImproperlyConfigured(
                    f"{SETTING} has no {name!r}{did_you_mean(str(name), _KNOWN)};"
                    f" it has {', '.join(_KNOWN)}"
                )
        alias = given.get("ALIAS", DEFAULT_DB_ALIAS)
        if alias not in connections.settings:
            raise ImproperlyConfigured(
                f"{SETTING}['ALIAS'] must be one of {', '.join(connections.settings)},"
                f" not {alias!r}"
            )
        ending = given.get("TERMINATE_BACKEND", False)
        if not isinstance(ending, bool):
            raise ImproperlyConfigured(
                f"{SETTING}['TERMINATE_BACKEND'] must be True or False, not {ending!r}"
            )
        return cls(alias, ending)

    def pool(self) -> Pool:
        """Return the alias's pool; raises `ImproperlyConfigured` if it has none."""
        pool = getattr(connections[self.alias], "pool", None)
        if not isinstance(pool, Pool):
            raise ImproperlyConfigured(
                f"{SETTING}: the alias {self.alias!r} has no multipool; its ENGINE must be one of"
                " multipool_django's and its OPTIONS['pool'] not False"
            )
        return pool
