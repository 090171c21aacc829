"""The ENGINEs that there are, each with its driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured

from multipool.conninfo import did_you_mean
from multipool_django import generate
from multipool_django.postgis import generate as postgis

PREFIX: Final = "multipool_django."

_POSTGIS: Final = {f"{postgis.PACKAGES}.{one.driver}": one.driver for one in postgis.BACKENDS}

ENGINES: Final = {one.package: one.driver for one in generate.BACKENDS} | _POSTGIS


def original(engine: str) -> str:
    """Return Django's own ENGINE that *engine* is made from; *engine* if it is none of ours."""
    if engine not in ENGINES:
        return engine
    return postgis.ORIGINAL if engine in _POSTGIS else generate.ORIGINAL


def refuse_unknown(databases: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `ImproperlyConfigured` for an ENGINE in *databases* by a name of ours that is none.

    Called when the package is imported, which Django does to look for the ENGINE: its own message
    lists its own ENGINEs.
    """
    for alias, database in databases.items():
        engine = database.get("ENGINE") or ""  # None stands for none, as it does in Django
        if f"{engine}.".startswith(PREFIX) and engine not in ENGINES:
            near = did_you_mean(engine, ENGINES) if engine.startswith(PREFIX) else ""
            raise ImproperlyConfigured(
                f"DATABASES[{alias!r}]: there is no ENGINE {engine!r}{near};"
                f" known: {', '.join(ENGINES)}"
            )
