"""The figures of several pools as those of one."""

from __future__ import annotations

from dataclasses import fields, replace
from operator import add
from typing import Any, Final

from multipool.export.facts import DURATIONS, FIGURES
from multipool.stats import PoolStats

#: What is told of all pools together, and what only grows.
_COMMON: Final = [field for one in FIGURES if one.common for field in one.fields.values()]
_TOTALS: Final = [
    *(field for one in FIGURES if one.total for field in one.fields.values()),
    *(f"{one.what}_{what}" for one in DURATIONS for what in ("time", "times")),
]


def together(one: PoolStats, other: PoolStats) -> PoolStats:
    """Return the figures of both, added; but for what is told of all together."""
    names = [field.name for field in fields(PoolStats)]
    common = {name: getattr(one, name) or getattr(other, name) for name in _COMMON}
    return PoolStats(**{**_added(one, other, names), **common})


def with_totals(one: PoolStats, ended: PoolStats) -> PoolStats:
    """Return the figures of *one*, with what *ended* had counted in its totals."""
    return replace(one, **_added(one, ended, _TOTALS))


def _added(one: PoolStats, other: PoolStats, names: list[str]) -> dict[str, Any]:
    return {name: _both(getattr(one, name), getattr(other, name)) for name in names}


def _both(one: Any, other: Any) -> Any:
    if isinstance(one, str):
        return one  # the name; and which driver is not told of
    if isinstance(one, tuple):  # none where it is not measured
        return tuple(map(add, one, other)) if one and other else one or other
    return None if one is None or other is None else one + other  # None: unlimited
