"""How many connections the pools of one process may open to one server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from multipool import PoolConfig, PoolConfigError
from multipool_django import options


def demand(settings: Mapping[str, Any]) -> tuple[list[str], float]:
    """Return the pooled aliases on the server of *settings*, and the sum of their ``max_size``.

    Aliases that share a pool count once. Connects to nothing; an alias whose settings are
    wrong is left to the checks that say so.
    """
    aliases = []
    limits: dict[object, float] = {}
    for alias in connections:
        try:
            wrapper: Any = connections[alias]
            theirs = wrapper.settings_dict
            if getattr(wrapper, "pooled", False) and _server(theirs) == _server(settings):
                limit = PoolConfig.from_options(options.read(alias, theirs)).limit
                limits[options.owner(alias, theirs), _opened_with(theirs)] = limit
                aliases.append(alias)
        except (ImproperlyConfigured, PoolConfigError):
            continue
    return aliases, sum(limits.values())


def _server(settings: Mapping[str, Any]) -> tuple[object, ...]:
    service = settings["OPTIONS"].get("service")
    return settings["HOST"], str(settings["PORT"]), service


def _opened_with(settings: Mapping[str, Any]) -> str:
    others = {name: value for name, value in settings["OPTIONS"].items() if name != "pool"}
    return repr([*(settings[name] for name in ("NAME", "USER", "TIME_ZONE")), others])
