"""The pools behind the aliases: one for each owner and target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from multipool import Pool

#: Who has a pool: an alias, or all aliases that name the same one.
Owner = tuple[Literal["alias", "pool"], str]


@dataclass(frozen=True)
class Target:
    """Everything that a connection of a pool was opened and configured with.

    Two connections with equal targets can stand for each other, others cannot: the test
    runner changes the database's name under a living alias, ``override_settings`` the
    time zone.
    """

    #: The class of Django's wrapper, whose code sets a connection up.
    wrapper: type
    params: dict[str, Any] = field(repr=False)
    time_zone: str | None
    role: str | None
    isolation_level: Any
    health_checks: bool


#: By owner, in the order of their making. A list, since a target need not be hashable.
_pools: Final[dict[Owner, list[tuple[Target, Pool]]]] = {}


def pool_for(owner: Owner, target: Target, make: Callable[[], Pool]) -> Pool:
    """Return the pool of *owner* for *target*, made by *make* if there is no open one."""
    known = _find(owner, target)
    if known is not None:
        return known
    made = make()
    # No lock, which a fork could leave locked for ever: two threads may both make one.
    # The list's order decides, and the loser's pool has not opened anything in vain
    # unless it has a minimum.
    _pools.setdefault(owner, []).append((target, made))
    winner = _find(owner, target) or made
    if winner is not made:
        made.close(timeout=0)
    _pools[owner] = [entry for entry in _pools.get(owner, []) if not entry[1].closed]
    return winner


def close_pools(owner: Owner) -> None:
    """Close all pools of *owner*; connections that are out are closed when they come back."""
    for _, pool in _pools.pop(owner, []):
        pool.close(timeout=0)


def close_pools_to(database: str) -> None:
    """Close whosever pools to the database of this name, as `close_pools` does."""
    for entries in list(_pools.values()):
        for target, pool in entries:
            if target.params.get("dbname") == database:
                pool.close(timeout=0)


def is_derived(pool: Pool) -> bool:
    """Return whether *pool* was made here, for an alias."""
    return any(pool is ours for entries in _pools.values() for _, ours in entries)


def _find(owner: Owner, target: Target) -> Pool | None:
    for known, pool in _pools.get(owner, ()):
        if known == target and not pool.closed:
            return pool
    return None
