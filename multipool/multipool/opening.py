"""Opening a connection in the caller's thread, and what happens while the server is away."""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, Any

from multipool.config import PoolHook
from multipool.driver import REFUSAL
from multipool.errors import PoolTimeout
from multipool.outage import Outage
from multipool.refusing import whole_state

if TYPE_CHECKING:
    from multipool.places import Room
    from multipool.pool import Pool
    from multipool.slot import Slot

log = logging.getLogger("multipool")


def open_in(pool: Pool, room: Room, deadline: float) -> Any | None:
    """Open a connection in *room* and return it.

    A refusal is raised at once, and so is the failure of a pool that has never had a
    connection: nothing says that its server will ever answer. Afterwards the first thread
    that meets an outage goes on trying until *deadline*, and the others wait in line; these
    get None here. While it pauses, an idle connection may come back: that is returned then,
    not judged yet. The place is free again unless a new connection sits in it.

    Raises the driver's error, what the hooks raise, `PoolTimeout` or `PoolClosed`.
    """
    places, slot = pool._places, room.slot
    outage = places.outage
    try:
        while True:
            if outage is not None:
                came_back = places.stand_by(min(outage.next_try, deadline))
                if came_back is not None:
                    places.vacate(slot)
                    return came_back
                if outage.next_try >= deadline:
                    pool._totals.add("timeouts")
                    raise pool._error(PoolTimeout, f"no connection in time: {whole_state(pool)}")
            pool._refuse_if_closed()
            started = monotonic()
            try:
                conn = pool._caretaker.open(slot, max(deadline - started, 0.0))
                break
            except pool._driver.Error as error:
                pool._totals.add("connect_errors")
                if not pool._connected or pool._driver.failure(error) == REFUSAL:
                    raise
                known = places.outage
                outage = places.probe(slot, error)
                if known is None and outage is not None:
                    log.warning("pool %r: %s", pool.name, outage)
                if outage is None:
                    places.vacate(slot)
                    return None
                _report(pool, outage)
    except BaseException:
        places.vacate(slot)
        raise
    _note(pool, slot, monotonic() - started)
    return conn


def _note(pool: Pool, slot: Slot, took: float) -> None:
    pool._connected = True
    pool._totals.add("opened")
    pool._totals.add("connect_time", took)
    pool._upkeep.watch(slot)
    if pool._places.outage is not None:
        outage = pool._places.recovered()
        if outage is not None:
            log.info("pool %r: the server answers again", pool.name)


def _report(pool: Pool, outage: Outage) -> None:
    """Call ``reconnect_failed`` once in an outage that lasts."""
    config = pool.config
    hook = config.reconnect_failed
    if not outage.reported and monotonic() - outage.since >= config.reconnect_timeout:
        outage.reported = True
        log.error("pool %r: %s", pool.name, outage)
        if hook is not None:
            pool._upkeep.background(_call, hook, pool)


def _call(hook: PoolHook, pool: Pool) -> None:
    try:
        hook(pool)
    except Exception as error:
        log.warning("pool %r: reconnect_failed failed: %s", pool.name, type(error).__name__)
