"""What is done for a pool now and then: ends of lifetimes and of idleness, filling up."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from multipool.caretaker import NEVER, SHORTEST
from multipool.errors import without_frames
from multipool.opening import open_in

if TYPE_CHECKING:
    from multipool.places import Room
    from multipool.pool import Pool

log = logging.getLogger("multipool")

#: Seconds between attempts to fill up that fail: at first, and at last.
_FIRST_PAUSE: Final = 1.0
_LAST_PAUSE: Final = 60.0


class Filling:
    """How it went with filling up to ``min_size``.

    What fails is not tried again at once, and then by one alone: a wrong password that many
    try for ever locks an account.
    """

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what went wrong."""
        #: Why the last attempt failed.
        self.error: Exception | None = None
        #: Monotonic time before which no other is made.
        self.next_try = 0.0
        self._pause = _FIRST_PAUSE

    def failed(self, error: Exception) -> None:
        """Note that an attempt failed."""
        self.error = without_frames(error)
        self.next_try = monotonic() + self._pause
        self._pause = min(2 * self._pause, _LAST_PAUSE)


def tend(pool: Pool, deadline: float | None = None) -> float:
    """Close what is spent or idle for too long, open what ``min_size`` lacks.

    Returns the monotonic time at which there is something to do again. Blocks on no server
    unless the pool's upkeep is inline; then connecting ends by *deadline*.
    """
    now = monotonic()
    places, config = pool._places, pool.config
    while places.lost:
        slot = places.lost.popleft()
        log.warning("pool %r: a lease was lost, checked out at %s", pool.name, slot.where())
    # What is opened or returned from now on cannot be due sooner than this. When a connection
    # came back is not written down on the hot path, so idleness is looked for four times in
    # its span.
    due = now + min((config.max_idle or NEVER) / 4, (config.max_lifetime or NEVER) * SHORTEST)
    spare = _alive(pool) - config.min_size
    for conn in tuple(places.idle):  # the coldest first
        slot = conn._multipool_slot
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
            spare -= not slot.spent
            pool._discard(conn, slot)
    return min(due, _fill(pool, deadline))


def _alive(pool: Pool) -> int:
    """Return how many places hold what will stay, or will be opened."""
    return sum(not slot.spent for slot in list(pool._places.slots))


def _fill(pool: Pool, deadline: float | None) -> float:
    """Open as many connections as ``min_size`` lacks; return when to look again."""
    places, filling = pool._places, pool._filling
    if filling.next_try > monotonic():
        return filling.next_try
    rooms: list[Room] = []
    with places.lock:
        outage = places.outage
        while not pool.closed and _alive(pool) < pool.config.min_size:
            room = places.reserve()
            if room is None:
                break
            rooms.append(room)
            if filling.error is not None:
                break
    places.match()
    while rooms:
        pool._upkeep.open(_open_idle, pool, rooms.pop(), deadline)
    return max(filling.next_try, outage.next_try) if outage else filling.next_try or NEVER


def _open_idle(pool: Pool, room: Room, deadline: float | None) -> None:
    try:
        if deadline is None:
            deadline = monotonic() + pool.config.timeout
        conn: Any = open_in(pool, room, deadline)
    except Exception as error:
        pool._filling.failed(error)
        log.warning(
            "pool %r: a connection for min_size could not be opened: %s",
            pool.name,
            type(error).__name__,
        )
    else:
        if conn is not None:
            pool._filling.begin_anew()
            pool._shelve(conn)
