"""Opening a connection in the caller's thread, and what happens while the server is away."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any, Final

from multipool.config import PoolHook
from multipool.driver import FULL, REFUSAL
from multipool.errors import PoolTimeout
from multipool.inner import Inner
from multipool.outage import Outage
from multipool.places import Room
from multipool.refusing import whole_state
from multipool.slot import Slot

log = logging.getLogger("multipool")

#: Seconds for which nobody asks about one outage, at least and at most: longer than whoever asks
#: pauses, and than filling up does.
_LULL: Final = (1.0, 120.0)

#: An attempt whose time was over in fewer seconds says nothing of the server.
_HURRIED: Final = 1.0

#: Seconds that connecting may take where nobody is to be waited for. libpq has no less.
AT_ONCE: Final = 2.0


def time_to_open(timeout: float) -> float:
    """Return the seconds that opening may take in a checkout that may take *timeout*."""
    return timeout if timeout > 0 else AT_ONCE


def open_in(
    inner: Inner, room: Room, deadline: float, least: float = 0.0, *, ours: bool = False
) -> Any | None:
    """Open a connection in *room* and return it.

    *least*: the seconds that connecting may take, however near the *deadline* is. *ours*: for the
    sake of the pool: then no user waits meanwhile, or gives up.

    A refusal is raised at once, and so is the failure of a pool that has never had a
    connection: nothing says that its server will ever answer. So is that a *deadline* left no
    time to connect in, which is no outage. Afterwards the first thread that meets an outage goes
    on trying until *deadline*, and the others wait in line; these get None here. While it pauses,
    an idle connection may come back: that is returned then, not judged yet. The place is free
    again unless a new connection sits in it.

    Raises the driver's error, what the hooks raise, `PoolTimeout` or `PoolClosed`.
    """
    places, slot = inner.places, room.slot
    outage = places.outage
    try:
        while True:
            if outage is not None:
                came_back = places.stand_by(min(outage.next_try, deadline), ours=ours)
                if came_back is not None:
                    places.vacate(slot)
                    return came_back
                if outage.next_try >= deadline:
                    inner.totals.add("timeouts", not ours)
                    raise inner.error(PoolTimeout, f"no connection in time: {whole_state(inner)}")
            inner.refuse_if_closed()
            if inner.stake is not None and not inner.stake.holds:
                places.vacate(slot)  # it was too long ago that this was granted
                return None
            started = monotonic()
            given = max(deadline - started, least)
            try:
                conn = inner.caretaker.open(slot, given)
                break
            except inner.driver.Error as error:
                inner.totals.add("connect_errors")
                if inner.stake is not None and inner.driver.failure(error) == FULL:
                    inner.stake.full(inner)
                    places.vacate(slot)
                    return None
                if not inner.connected or inner.driver.failure(error) == REFUSAL:
                    raise
                known = places.outage
                if known is None and given <= monotonic() - started < _HURRIED:
                    inner.totals.add("timeouts", not ours)
                    text = f"no connection in time: {given:.3f} s were left to connect in"
                    raise inner.error(PoolTimeout, f"{text}; {whole_state(inner)}") from error
                outage = places.probe(slot, error, started, _lull(inner))
                if outage is not None and outage is not known:
                    log.warning("pool %r: %s", inner.name, outage)
                if outage is None:
                    places.vacate(slot)
                    return None
                _report(inner, outage)
    except BaseException:
        places.vacate(slot)
        raise
    _note(inner, slot, monotonic() - started)
    if inner.stake is not None and not inner.stake.holds:
        inner.discard(conn, slot)
        return None
    return conn


def _note(inner: Inner, slot: Slot, took: float) -> None:
    if inner.config.fleet and not inner.connected:
        inner.upkeep.soon(inner)  # which tells the fleet
    inner.connected = True
    inner.totals.add_connect(took)
    inner.upkeep.watch(inner, slot)
    if inner.places.outage is not None:
        outage = inner.places.recovered()
        if outage is not None:
            log.info("pool %r: the server answers again", inner.name)


def _lull(inner: Inner) -> float:
    """Return the seconds after which an outage that nobody has asked about is another."""
    # Else that alone would make it last, and ``reconnect_failed`` be called for two moments.
    return min(max(inner.config.reconnect_timeout, _LULL[0]), _LULL[1])


def _report(inner: Inner, outage: Outage) -> None:
    """Call ``reconnect_failed`` once in an outage that lasts."""
    config = inner.config
    hook = config.reconnect_failed
    if not outage.reported and monotonic() - outage.since >= config.reconnect_timeout:
        outage.reported = True
        log.error("pool %r: %s", inner.name, outage)
        if hook is not None:
            inner.upkeep.background(inner, _call, hook, inner)


def _call(hook: PoolHook, inner: Inner) -> None:
    try:
        hook(inner.owner())
    except Exception as error:
        log.warning("pool %r: reconnect_failed failed: %s", inner.name, type(error).__name__)
