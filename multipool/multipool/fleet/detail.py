"""What a process tells of one pool beyond its figures: who holds, who waits, what for.

The one place where the fleet looks into a pool for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from multipool.watch.doing import doing
from multipool.watch.finding import describe

if TYPE_CHECKING:
    from multipool.handoff import Waiter
    from multipool.inner import Inner
    from multipool.pool import Pool
    from multipool.slot import Slot
    from multipool.watch.queries import Query
    from multipool.watch.usage import Usage

#: How many of each that are told of a pool; more would tell no more.
MOST: Final = 50

#: How many views, tasks and commands, those first that leave connections idle longest.
USAGES: Final = 20

#: Seconds after which a lease is a reason to tell who holds.
LONG: Final = 30.0


def in_trouble(pool: Pool) -> bool:
    """Return whether somebody should see who holds the connections of *pool*."""
    stats = pool.stats()
    if stats.waiting or (stats.max_size is not None and stats.used >= stats.max_size):
        return True
    before = monotonic() - LONG
    return any(slot.leased and slot.since < before for slot in list(pool._inner.places.slots))


def detail_of(pool: Pool) -> dict[str, Any]:
    """Return what there is to tell of *pool*, by the names of `reporting.PARTS`; fit for JSON."""
    inner = pool._inner
    slots = sorted(inner.places.slots, key=lambda slot: slot.since)
    leased = [slot for slot in slots if slot.leased][:MOST]
    holders = [_holder(inner, slot) for slot in leased]
    return {
        "holders": [holder for holder in holders if holder is not None],
        "idle": [_session(slot) for slot in slots if not slot.leased][:MOST],
        "waiters": [_waiter(waiter) for waiter in inner.places.queue()[:MOST]],
        "queries": [_query(query) for query in pool.queries(limit=MOST)],
        "usage": [_usage(usage) for usage in sorted(pool.usage(), key=_use)[:USAGES]],
    }


def _holder(inner: Inner, slot: Slot) -> dict[str, Any] | None:
    found = describe(inner, slot)
    if found is None:  # given back meanwhile
        return None
    return {
        "thread": _name(found.borrower),
        "seconds": round(found.held_for, 3),
        "idle_in_transaction": None if found.idle_for is None else round(found.idle_for, 3),
        "opened_at": list(found.opened),
        "checked_out_at": list(found.checked_out),
        "query_at": list(found.query),
        "doing": list(found.doing),
        "statement": found.statement,
        **_session(slot),
    }


def _session(slot: Slot) -> dict[str, Any]:
    """Return by what the server's session of *slot* is found."""
    return {
        "backend": slot.backend_pid,
        "tag": slot.tag,
        "open_for": round(monotonic() - slot.born, 3),
    }


def _waiter(waiter: Waiter) -> dict[str, Any]:
    return {
        "thread": _name(waiter.borrower.name),
        "seconds": round(monotonic() - waiter.since, 3),
        "stack": list(doing(waiter.borrower, None)),
    }


def _query(query: Query) -> dict[str, Any]:
    return {
        "statement": query.text,
        "site": query.call_site,
        "calls": query.calls,
        "rows": query.rows,
        "errors": query.errors,
        "total": round(query.seconds, 6),
        "histogram": _histogram(query.histogram.counts),
    }


def _use(usage: Usage) -> float:
    return usage.used - usage.held


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "kind": usage.kind,
        "name": usage.name,
        "route": usage.route,
        "hold": usage.hold,
        "times": usage.times,
        "lasted": round(usage.lasted, 3),
        "held": round(usage.held, 3),
        "used": round(usage.used, 3),
    }


def _histogram(counts: Mapping[int, int]) -> list[int]:
    """Return the number of the first bucket that is not empty, and the counts from there on."""
    if not counts:
        return []
    first, last = min(counts), max(counts)
    return [first, *(counts.get(bucket, 0) for bucket in range(first, last + 1))]


def _name(borrower: str) -> str:
    return borrower.strip("'")
