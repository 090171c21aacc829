"""The pools of this process as they are told of: one for each name."""

from __future__ import annotations

from dataclasses import fields
from operator import add
from typing import Any, Final

from multipool.export.facts import FIGURES
from multipool.pool import pools
from multipool.stats import PoolStats

_COMMON: Final = [field for one in FIGURES if one.common for field in one.fields.values()]


def read() -> list[PoolStats]:
    """Return the figures of all live pools, by name.

    The conventions want names that are unique in an application. Of pools that share one the
    figures are added, since two series under one name would be refused, or one would hide
    the other; but for what is told of all together.
    """
    found: dict[str, PoolStats] = {}
    for pool in pools():
        stats = pool.stats()
        before = found.get(stats.name)
        found[stats.name] = stats if before is None else _sum(before, stats)
    return list(found.values())


def _sum(one: PoolStats, other: PoolStats) -> PoolStats:
    names = [field.name for field in fields(PoolStats)]
    added = {name: _both(getattr(one, name), getattr(other, name)) for name in names}
    common = {name: getattr(one, name) or getattr(other, name) for name in _COMMON}
    return PoolStats(**{**added, **common})


def _both(one: Any, other: Any) -> Any:
    if isinstance(one, str):
        return one  # the name; and which driver is not told of
    if isinstance(one, tuple):  # none where it is not measured
        return tuple(map(add, one, other)) if one and other else one or other
    return None if one is None or other is None else one + other  # None: unlimited
