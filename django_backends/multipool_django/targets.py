"""The pools behind the aliases: one for each owner and target."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
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


#: By owner, in the order of their making. A list, since a target need not be hashable. What threads
#: do at once does not get lost: a list is changed and never replaced, and read as a copy, which is
#: made in one step.
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
    _forget_closed(owner)
    return winner


def close_pools(owner: Owner) -> None:
    """Close all pools of *owner*; connections that are out are closed when they come back."""
    for _, pool in _of(owner):
        pool.close(timeout=0)
    _forget_closed(owner)


def close_pools_to(database: str) -> None:
    """Close whosever pools to the database of this name, as `close_pools` does."""
    for owner in list(_pools):
        for target, pool in _of(owner):
            if target.params.get("dbname") == database:
                pool.close(timeout=0)


def is_derived(pool: Pool) -> bool:
    """Return whether *pool* was made here, for an alias."""
    return any(pool is ours for owner in list(_pools) for _, ours in _of(owner))


def _of(owner: Owner) -> list[tuple[Target, Pool]]:
    return list(_pools.get(owner, ()))


def _find(owner: Owner, target: Target) -> Pool | None:
    for known, pool in _of(owner):
        if known == target and not pool.closed:
            return pool
    return None


def _forget_closed(owner: Owner) -> None:
    for entry in _of(owner):
        if entry[1].closed:
            with suppress(ValueError):  # another thread has done so
                _pools[owner].remove(entry)
