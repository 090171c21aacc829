"""What is done for a pool now and then: ends of lifetimes and of idleness, filling up."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, Any

from multipool.caretaker import NEVER, SHORTEST
from multipool.opening import open_in

if TYPE_CHECKING:
    from multipool.places import Room
    from multipool.pool import Pool
    from multipool.slot import Slot

log = logging.getLogger("multipool")


def tend(pool: Pool) -> float:
    """Close what is spent or idle for too long, open what ``min_size`` lacks.

    Returns the monotonic time at which there is something to do again. Blocks on no server
    unless the pool's upkeep is inline.
    """
    now = monotonic()
    places, config = pool._places, pool.config
    # What is opened or returned from now on cannot be due sooner than this. When a connection
    # came back is not written down on the hot path, so idleness is looked for four times in
    # its span.
    due = now + min((config.max_idle or NEVER) / 4, (config.max_lifetime or NEVER) * SHORTEST)
    spare = len(places.slots) - config.min_size
    for conn in tuple(places.idle):  # the coldest first
        slot: Slot | None = conn._multipool_slot
        if slot is None:
            continue
        if slot.seen != slot.serial:
            slot.seen = slot.serial
            slot.idle_since = now
        ends = slot.ends
        if config.max_idle is not None and spare > 0:
            ends = min(ends, slot.idle_since + config.max_idle)
        if now < ends and not slot.spent:
            due = min(due, ends)
        elif places.pick(conn):
            spare -= 1
            pool._discard(conn, slot)
    return min(due, _fill(pool))


def _fill(pool: Pool) -> float:
    """Open as many connections as ``min_size`` lacks; return when to look again."""
    places = pool._places
    rooms: list[Room] = []
    with places.lock:
        outage = places.outage
        while not pool.closed and len(places.slots) < pool.config.min_size:
            room = places.reserve()
            if room is None:
                break
            rooms.append(room)
    places.match()
    while rooms:
        pool._upkeep.background(_open_idle, pool, rooms.pop())
    return NEVER if outage is None else outage.next_try


def _open_idle(pool: Pool, room: Room) -> None:
    try:
        conn: Any = open_in(pool, room, monotonic() + pool.config.timeout)
    except Exception as error:
        pool._fill_error = error
        log.warning(
            "pool %r: a connection for min_size could not be opened: %s",
            pool.name,
            type(error).__name__,
        )
    else:
        if conn is not None:
            pool._shelve(conn)
