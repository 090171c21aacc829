"""What is done for a pool now and then: ends of lifetimes and of idleness, filling up."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any, Final

from multipool.caretaker import NEVER, SHORTEST
from multipool.inner import Inner
from multipool.opening import AT_ONCE, open_in
from multipool.places import Room
from multipool.watch.rounds import watch

log = logging.getLogger("multipool")

#: Seconds between two looks at a pool that cannot be filled up: an outage, a budget.
_PAUSE: Final = 1.0


def tend(inner: Inner, deadline: float | None = None) -> float:
    """Close what is spent or idle for too long, open what ``min_size`` lacks.

    Returns the monotonic time at which there is something to do again. Blocks on no server
    unless the pool's upkeep is inline; then connecting ends by *deadline*.
    """
    now = monotonic()
    places, config = inner.places, inner.config
    while places.lost:
        slot = places.lost.popleft()
        log.warning("pool %r: a lease was lost, checked out at %s", inner.name, slot.where())
    # What is opened or returned from now on cannot be due sooner than this. When a connection
    # came back is not written down on the hot path, so idleness is looked for four times in
    # its span.
    due = now + min((config.max_idle or NEVER) / 4, (config.max_lifetime or NEVER) * SHORTEST)
    for slot in list(places.slots):
        # Not of the idle ones alone: a busy one may be lent whenever somebody looks.
        if slot.born and not slot.spent:
            if now < slot.ends:
                due = min(due, slot.ends)
            else:
                slot.spend()
    spare = _alive(inner) - config.min_size
    for conn in tuple(places.idle):  # the coldest first
        slot = conn._multipool_slot
        if slot is None:
            continue
        if slot.seen != slot.serial:
            slot.seen = slot.serial
            slot.idle_since = now
        ends = NEVER
        if config.max_idle is not None and spare > 0:
            ends = slot.idle_since + config.max_idle
        if now < ends and not slot.spent:
            due = min(due, ends)
        elif places.pick(conn):
            spare -= not slot.spent
            inner.discard(conn, slot)
    if inner.goodbyes:
        due = min(due, inner.see_off())
    due = min(due, watch(inner, now), _fill(inner, deadline))
    if inner.stake is not None and not inner.closed:
        due = min(due, inner.stake.tick(inner))
    if config.fleet and inner.connected and not inner.closed:
        from multipool.fleet import beating

        due = min(due, beating.tick(inner))
    return due


def _alive(inner: Inner) -> int:
    """Return how many places hold what will stay, or will be opened."""
    return sum(not slot.spent for slot in list(inner.places.slots))


def _fill(inner: Inner, deadline: float | None) -> float:
    """Open as many connections as ``min_size`` lacks; return when to look again.

    That is no time which is over, else upkeep's thread would do nothing but look.
    """
    places, filling = inner.places, inner.filling
    if filling.next_try > monotonic():
        return filling.next_try
    rooms: list[Room] = []
    with places.lock:
        while not inner.closed and _alive(inner) < inner.config.min_size:
            room = places.reserve()
            if room is None:
                break
            rooms.append(room)
            if filling.error is not None:
                break
    places.match()
    while rooms:
        inner.upkeep.open(inner, _open_idle, inner, rooms.pop(), deadline)
        if inner.inline and (filling.error is not None or _is_over(deadline)):
            rooms.clear()  # which frees the places; the others would fail as well
    now = monotonic()
    if filling.next_try > now:
        return filling.next_try
    return NEVER if inner.closed or _alive(inner) >= inner.config.min_size else now + _PAUSE


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and monotonic() >= deadline


def _open_idle(inner: Inner, room: Room, deadline: float | None) -> None:
    try:
        if deadline is None:  # nobody waits for it, so it may take longer than a checkout
            deadline = monotonic() + max(inner.config.timeout, AT_ONCE)
        conn: Any = open_in(inner, room, deadline, ours=True)
    except Exception as error:
        inner.filling.failed(error)
        inner.upkeep.soon(inner)  # which does not know yet when the next try is
        log.warning(
            "pool %r: a connection for min_size could not be opened: %s",
            inner.name,
            type(error).__name__,
        )
    else:
        if conn is not None:
            alone = inner.filling.error is not None
            inner.filling.begin_anew()
            inner.shelve(conn)
            if alone:
                inner.upkeep.soon(inner)  # for the others
