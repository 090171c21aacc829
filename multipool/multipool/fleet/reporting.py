"""What one beat says: this process, the figures of its pools, and more when that is wanted."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4
from weakref import ReferenceType, ref

from multipool.fleet.detail import detail_of, in_trouble
from multipool.fleet.folding import fold
from multipool.fleet.packing import pack

if TYPE_CHECKING:
    from multipool.inner import Inner
    from multipool.pool import Pool

Counters = dict[str, dict[str, float]]
Report = dict[str, Any]

#: The gauges of `PoolStats` that a beat tells; all its other numbers are totals.
GAUGES: Final = (
    *("driver", "min_size", "max_size"),
    *("size", "idle", "used", "connecting", "waiting", "share", "budget"),
)

#: Characters that the details may come to; and what is told of each pool: if they are more, less.
ROOM: Final = 700_000
PARTS: Final = (
    ("holders", "idle", "waiters", "queries", "usage"),
    ("holders", "idle", "waiters", "queries"),
    ("holders", "idle", "waiters"),
    ("holders",),
)


class Reporter:
    """Gathers what a process has to tell one server; but for `join`, one thread at a time."""

    def __init__(self, app: str | None) -> None:
        self.id = str(uuid4())
        self._app = app
        self._began = monotonic()
        #: The pools that somebody else may add to, at any time.
        self._joined: list[ReferenceType[Inner]] = []
        #: Whether something was wrong when the last report was made.
        self.troubled = False
        #: The same by the names they have here, and what each had counted when last seen.
        self._pools: dict[str, tuple[ReferenceType[Inner], dict[str, float]]] = {}
        #: What pools that are gone had counted: a process's totals never fall.
        self._ended: Counters = {}
        #: What the retired have of ours already, under ids we had before; what was told last;
        #: and what of that the server has heard.
        self._retired: Counters = {}
        self._told: Counters = {}
        self._heard: Counters = {}

    def join(self, inner: Inner) -> None:
        """Tell of this pool too, from now on. Called by any thread, but by one at a time."""
        if not any(known() is inner for known in self._joined):
            self._joined = [*map(ref, self.inners()), ref(inner)]

    def inners(self) -> list[Inner]:
        """Return the pools that are open."""
        found = [known() for known in self._joined]
        return [inner for inner in found if inner is not None and not inner.closed]

    def in_trouble(self) -> bool:
        """Return whether something is wrong with one of the pools."""
        return any(in_trouble(pool) for _, pool in self._open())

    def report(self, *, detailed: bool) -> Report:
        """Return what there is to tell; with details if they are wanted, or something is wrong."""
        self._look()
        gauges: dict[str, Any] = {}
        details: dict[str, Any] = {}
        self.troubled = self.in_trouble()
        detailed = detailed or self.troubled
        for name, pool in self._open():
            values = pool.stats()
            inner, now = pool._inner, monotonic()
            waiters = [one.since for one in inner.places.queue()]
            peak = inner.demand.peak(inner, now)
            gauges[name] = {gauge: getattr(values, gauge) for gauge in GAUGES}
            gauges[name]["oldest_wait"] = max(now - min(waiters), 0) if waiters else 0
            log = inner.query_log
            gauges[name]["statements"] = None if log is None else round(log.seconds(), 6)
            gauges[name]["observed"] = round(inner.demand.observed, 1)
            gauges[name]["peak"] = None if peak is None else peak.as_dict()
            if detailed:
                details[name] = detail_of(pool)
        self._told = self._counted()
        return {
            "id": self.id,
            "app": self._app or program(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "uptime": monotonic() - self._began,
            "pools": gauges,
            "counters": _combine([self._told, _negative(self._retired)]),
            "detail": fitting(details) if detailed else None,
        }

    def heard(self) -> None:
        """Note that the server has what was told last."""
        self._heard = self._told

    def be_born_again(self) -> None:
        """Take another id: what was heard under the old one is among the retired by now."""
        self.id = str(uuid4())
        self._retired = self._heard

    def _open(self) -> Iterable[tuple[str, Pool]]:
        for name, (known, _) in list(self._pools.items()):
            inner = known()
            pool = inner.owner() if inner is not None and not inner.closed else None
            if pool is not None:
                yield name, pool

    def _look(self) -> None:
        """Note what each pool has counted; name those that are new, keep that of those gone."""
        for inner in self.inners():
            if not any(known() is inner for known, _ in self._pools.values()):
                self._name(inner)
        found = dict(self._open())
        for name, (known, counted) in list(self._pools.items()):
            pool = found.get(name)
            if pool is not None:
                self._pools[name] = (known, counters_of(pool))
            else:
                self._ended = _combine([self._ended, {name: counted}])
                del self._pools[name]

    def _name(self, inner: Inner) -> None:
        name, number = inner.name, 2
        while self._is_open(name):  # two pools of the same name
            name, number = f"{inner.name}#{number}", number + 1
        _, counted = self._pools.get(name, (None, {}))
        self._ended = _combine([self._ended, {name: counted}])
        self._pools[name] = (ref(inner), {})

    def _is_open(self, name: str) -> bool:
        known = self._pools[name][0]() if name in self._pools else None
        return known is not None and not known.closed

    def _counted(self) -> Counters:
        return _combine([self._ended, {name: told for name, (_, told) in self._pools.items()}])


def fitting(details: dict[str, dict[str, Any]]) -> str | None:
    """Return the *details* of each pool packed, so much of them as there is room for.

    The server refuses a report of 1 MB, and without one the process would be silent.
    """
    for part in PARTS:
        told = {name: {what: one[what] for what in part} for name, one in details.items()}
        packed = pack(fold(told))
        if len(packed) <= ROOM:
            return packed
    return None


def counters_of(pool: Pool) -> dict[str, float]:
    """Return the totals of *pool*."""
    values = pool.stats()
    return {
        name: round(value, 6)
        for name in values.__slots__
        if name not in GAUGES and isinstance(value := getattr(values, name), (int, float))
    }


def _combine(parts: Iterable[Counters]) -> Counters:
    total: Counters = {}
    for part in parts:
        for pool, counters in part.items():
            mine = total.setdefault(pool, {})
            for name, value in counters.items():
                mine[name] = mine.get(name, 0) + value
    return total


def _negative(counters: Counters) -> Counters:
    return {pool: {name: -n for name, n in one.items()} for pool, one in counters.items()}


def program() -> str:
    """Return what this process runs, as its users call it."""
    path = Path(sys.argv[0] if sys.argv and sys.argv[0] else sys.executable)
    return path.parent.name if path.name == "__main__.py" else path.name
