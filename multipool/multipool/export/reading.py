"""The pools of this process as they are told of: one for each name."""

from __future__ import annotations

from multipool.export.ended import of_dropped
from multipool.export.sums import together, with_totals
from multipool.lifecycle import registered
from multipool.pool import Pool
from multipool.stats import PoolStats


def read() -> list[PoolStats]:
    """Return the figures of all live pools, by name.

    The conventions want names that are unique in an application. Of pools that share one the
    figures are added, since two series under one name would be refused, or one would hide
    the other; but for what is told of all together. What pools of that name had counted that
    have ended stays in the totals, which never fall.
    """
    there: list[Pool] = registered()
    ended = of_dropped(there)
    found: dict[str, PoolStats] = {}
    for pool in sorted(there, key=lambda pool: pool.name):
        stats = pool.stats()
        among = ended if pool.closed else found
        before = among.get(stats.name)
        among[stats.name] = stats if before is None else together(before, stats)
    return [
        with_totals(stats, ended[name]) if name in ended else stats for name, stats in found.items()
    ]
