"""Who holds what others may want: connections that are lent, grouped by where they were taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from multipool.fleet.snapshot import Blocked, Holder, Snapshot

#: Seconds, the same as those of the pool's own reports.
LONG_HELD: Final = 30.0
LONG_IDLE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Suspect:
    """The holders that one line of code has made, in one application."""

    app: str
    #: The frame that took them, ``file.py:12 in function``; empty if it is not known.
    site: str
    #: The longest first; never empty.
    holders: tuple[Holder, ...]
    #: How many are lent in all, in the pools that these come from.
    lent: int
    #: How many sessions wait for a lock that one of these has.
    keeps_waiting: int

    @property
    def longest(self) -> float:
        """Seconds for which the first has been held."""
        return self.holders[0].seconds

    @property
    def idle(self) -> list[float]:
        """Seconds idle in transaction, of those that are for long; the longest first."""
        return sorted(filter(None, map(_long_idle, self.holders)), reverse=True)


def suspects(snapshot: Snapshot) -> list[Suspect]:
    """Return those who hold for long, idle in transaction, keep others waiting, or fill a pool.

    Those with the most connections' seconds come first.
    """
    full = {(pool.process, pool.name) for pool in snapshot.pools if pool.exhausted}
    lent = {(pool.process, pool.name): pool.used for pool in snapshot.pools}
    in_the_way = _in_the_way(snapshot.blocking)
    groups: defaultdict[tuple[str, str], list[Holder]] = defaultdict(list)
    for holder in snapshot.holders:
        if (
            holder.seconds >= LONG_HELD
            or _long_idle(holder)
            or holder.backend in in_the_way
            or (holder.process, holder.pool) in full
        ):
            groups[holder.app, site(holder)].append(holder)
    found = [
        Suspect(
            app,
            where,
            tuple(sorted(holders, key=lambda holder: -holder.seconds)),
            sum(lent.get(pool, 0) for pool in {(one.process, one.pool) for one in holders}),
            sum(in_the_way.get(holder.backend or 0, 0) for holder in holders),
        )
        for (app, where), holders in groups.items()
    ]
    return sorted(found, key=_weight, reverse=True)


def site(holder: Holder) -> str:
    """Return the line of code that has the connection of *holder*, or an empty string."""
    return next((stack[0] for stack in (holder.checked_out_at, holder.query_at) if stack), "")


def _long_idle(holder: Holder) -> float | None:
    idle = holder.idle_in_transaction
    return idle if idle is not None and idle >= LONG_IDLE else None


def _weight(suspect: Suspect) -> tuple[bool, float]:
    return suspect.keeps_waiting > 0, sum(holder.seconds for holder in suspect.holders)


def _in_the_way(trees: Iterable[Blocked]) -> dict[int, int]:
    """Return the sessions that wait for nobody and keep others waiting, and how many."""
    return {root.pid: len(below(root)) for root in trees}


def below(node: Blocked) -> set[int]:
    """Return the sessions that wait for *node*, directly or not."""
    return {child.pid for child in node.blocks}.union(*map(below, node.blocks))
