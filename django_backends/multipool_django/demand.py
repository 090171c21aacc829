"""How many connections the pools of a site may open to one server."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from multipool import PoolConfig, PoolConfigError
from multipool.budget.options import AUTO
from multipool.fleet.options import FleetOptions
from multipool_django import options


@dataclass(frozen=True)
class Demand:
    """What the pools on one server may come to."""

    #: The pooled aliases on it.
    aliases: Sequence[str]
    #: In each process: the sum of the ``max_size`` of those without a budget.
    each: float
    #: In all processes together: what those with a budget may have of it.
    budgeted: float


def demand(settings: Mapping[str, Any], processes: int) -> Demand:
    """Return what the pools on the server of *settings* may open in so many *processes*.

    Aliases that share a pool count once. Connects to nothing; an alias whose settings are
    wrong is left to the checks that say so.
    """
    aliases = []
    limits: dict[object, float] = {}
    # By application and database: what those of one budget were told, and their pools.
    budgets: dict[object, list[Any]] = {}
    sharers: dict[object, dict[object, float]] = {}
    for alias in connections:
        try:
            wrapper: Any = connections[alias]
            theirs = wrapper.settings_dict
            if getattr(wrapper, "pooled", False) and _server(theirs) == _server(settings):
                config = PoolConfig.from_options(options.read(alias, theirs))
                pool = options.owner(alias, theirs), _opened_with(theirs)
                if config.budget is None:
                    limits[pool] = config.limit
                else:
                    purse = _application(config, theirs), theirs["NAME"]
                    budgets.setdefault(purse, []).append(config.budget)
                    sharers.setdefault(purse, {})[pool] = config.limit
                aliases.append(alias)
        except (ImproperlyConfigured, PoolConfigError):
            continue
    budgeted = sum(
        _of_budget(told, sum(sharers[purse].values()) * processes)
        for purse, told in budgets.items()
    )
    return Demand(aliases, sum(limits.values()), budgeted)


def _of_budget(told: Sequence[Any], limit: float) -> float:
    """Return how much of a budget pools may have that come to *limit* without it.

    Where they were told different ones, the smallest holds. ``"auto"`` is never more than the
    server has.
    """
    numbers = [budget for budget in told if budget != AUTO]
    return min(limit, *numbers) if numbers else 0


def _application(config: PoolConfig, settings: Mapping[str, Any]) -> str | None:
    app = FleetOptions.read(config.fleet).app
    return app or settings["OPTIONS"].get("application_name")


def _server(settings: Mapping[str, Any]) -> tuple[object, ...]:
    service = settings["OPTIONS"].get("service")
    host = settings["HOST"] or os.environ.get("PGHOST", "")
    port = settings["PORT"] or os.environ.get("PGPORT") or 5432
    return host, str(port), service


def _opened_with(settings: Mapping[str, Any]) -> str:
    others = {name: value for name, value in settings["OPTIONS"].items() if name != "pool"}
    return repr([*(settings[name] for name in ("NAME", "USER", "TIME_ZONE")), others])
