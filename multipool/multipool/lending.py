"""Checkout and return, when something is out of the ordinary: see `hotpath` for the rest."""

from __future__ import annotations

import gc
from time import monotonic
from types import FrameType
from typing import Any

from multipool import refusing
from multipool.borrower import here
from multipool.clock import clock
from multipool.errors import PoolClosed, PoolError, PoolTimeout, one_more
from multipool.inner import Inner
from multipool.opening import open_in, time_to_open
from multipool.places import CLOSED, Grant, Refused, Room
from multipool.slot import Slot
from multipool.watch.pressure import press


def check_out(
    inner: Inner,
    timeout: float | None,
    frame: FrameType,
    stack: bool = True,
    began: float | None = None,
) -> Any:
    """Lend a connection to the caller in *frame*: open one, or wait for one, if need be.

    *stack*: a whole stack is wanted, where any is kept. *began*: the monotonic time from which
    *timeout* counts, if it is not now.
    """
    if inner.places.lock.locked():
        refusing.refuse_amid(inner)
    if timeout is None:
        timeout = inner.config.timeout
    clock.now = now = monotonic()
    since = now if began is None else began
    deadline, opens_by = since + timeout, since + time_to_open(timeout)
    if inner.places.lost:
        inner.upkeep.soon(inner)  # which reports them
    inner.upkeep.step(inner, opens_by)
    if inner.goodbyes:
        inner.see_off()  # now that a place is wanted
    if inner.inline:
        now = monotonic()  # that may have taken long
    grant = _ask(inner, timeout, now, deadline)
    while True:
        conn = grant
        if isinstance(grant, Room):
            least = 0.0 if timeout > 0 else max(opens_by - monotonic(), 0.0)
            conn = open_in(inner, grant, deadline, least)
            clock.read()
        if conn is not None:
            slot: Slot = conn._multipool_slot
            if conn is not grant and slot is grant.slot:  # opened just now
                _greet(inner, conn, slot)
                break
            if not slot.wary or lendable(inner, conn, slot):
                break
        # Of no use, or somebody else asks the server already: the turn is not lost.
        grant = _ask(inner, timeout, monotonic(), deadline, first=True)
    if inner.closed:
        inner.discard(conn, slot)
        inner.refuse_if_closed()
    if inner.always_wary:
        slot.wary = True
    tracing = inner.tracing
    stacks = stack and tracing.stacks and tracing.affords_stack(clock.now)
    slot.lend(here.borrower, frame, stacks, clock.now)
    if clock.asleep:  # now that there is a lease more, which would be missed before
        inner.upkeep.rouse()
    return conn


def _ask(
    inner: Inner,
    timeout: float,
    now: float,
    deadline: float,
    first: bool = False,
    alone: bool = False,
) -> Grant:
    """Return an idle connection or a place to open one in, waiting in line if need be.

    *first* keeps its turn to a thread that was given something of no use; *alone*: nothing can
    be done any more for one that would wait for itself.
    """
    places = inner.places
    if inner.stake is not None:
        inner.stake.wake(inner)
    waiter = None
    try:
        with places.lock:
            if inner.closed:
                inner.refuse_if_closed()
            grant = None if places.waiting and not first else places.take()
            if grant is None:
                grant = places.overtake()
            if grant is not None:
                return grant
            if timeout <= 0 or inner.config.max_waiting:
                refusing.refuse_to_wait(inner, timeout, again=first)
            if not refusing.holds_all(inner) or refusing.does_jobs():
                waiter = places.line_up(now, first)
            elif alone:
                raise refusing.waits_for_itself(inner)
    finally:
        places.match()
    if waiter is None:
        gc.collect()  # this thread holds them all; they may lie in cycles of garbage
        return _ask(inner, timeout, monotonic(), deadline, first, alone=True)
    if not inner.tracing.stacks:
        press(inner.tracing, now)
    grant = places.wait(waiter, deadline)
    if grant is None:
        inner.refuse_if_closed()
        inner.totals.add("timeouts")
        raise inner.error(
            PoolTimeout,
            f"no connection within {timeout:g} s: {refusing.whole_state(inner, gave_up=1)}",
        )
    if grant is CLOSED:
        raise inner.error(PoolClosed, "closed while waiting")
    if isinstance(grant, Refused):
        raise one_more(grant.error)
    clock.now = served = monotonic()
    inner.totals.add_wait(served - now)
    return grant


def lendable(inner: Inner, conn: Any, slot: Slot) -> bool:
    """Look at a wary idle connection; return whether to lend it. If not, it is discarded."""
    if clock.asleep:
        inner.upkeep.rouse()
    inner.upkeep.step(inner)
    try:
        worth_it = inner.caretaker.worth_lending(conn, slot, clock.read())
    except BaseException:
        inner.discard(conn, slot)
        raise
    if not worth_it:
        inner.discard(conn, slot)
        return False
    _calm(inner, slot)
    _greet(inner, conn, slot)
    slot.foretell(clock.now)  # there may be nobody who ticks
    return True


def look_around(inner: Inner, timeout: float | None) -> None:
    """Note which connections have ended, and do what is due, in a call into the pool."""
    upkeep = inner.upkeep
    for slot in upkeep.notice():
        inner.ended(slot)
        upkeep.unwatch(slot)  # else it is told of by every call until its lease is over
        upkeep.due = 0.0
    timeout = inner.config.timeout if timeout is None else timeout
    upkeep.step(inner, clock.now + time_to_open(timeout))


def look_back(inner: Inner) -> None:
    """Do what is due in a return, before the lease is over: it may have lasted too long."""
    if clock.read() >= inner.upkeep.due:
        look_around(inner, None)


def take_back(inner: Inner, conn: Any, slot: Slot) -> None:
    """Take back a connection that must be cleaned, or looked at, before it is idle.

    Raises `ConnectionNotLeased` as `Pool.putconn` does.
    """
    if slot.home is not inner.home:
        raise refusing.not_ours(inner, conn)
    refusing.refuse_stale(inner, slot)
    if not end_lease(inner, conn, slot):
        raise refusing.not_leased(inner)


def end_lease(inner: Inner, conn: Any, slot: Slot, serial: int | None = None) -> bool:
    """Take back a connection from the lease number *serial*; return False if that is over."""
    if inner.inline:
        look_back(inner)
    ended = _end(inner, conn, slot, serial)
    if inner.inline and inner.closed:  # the next call into the pool, which would look, never comes
        inner.alarms.look(inner)
    return ended


def _end(inner: Inner, conn: Any, slot: Slot, serial: int | None = None) -> bool:
    """End a lease, that number *serial* if it is given; return False if it is over already.

    The connection comes among the idle ones, or is closed.
    """
    # Read and cleared with no call in between, see `hotpath`.
    if not slot.leased or (serial is not None and slot.serial != serial):
        return False
    slot.leased = None
    try:
        if inner.config.use_time:
            inner.totals.add_use(monotonic() - slot.lent_at)
        if not _clean(inner, conn, slot):
            return True
    except BaseException:  # an interrupt: nobody knows in which state it is
        inner.discard(conn, slot)
        raise
    # Here, not in a function, at whose beginning an interrupt would lose it.
    inner.idle.append(conn)
    inner.settle(conn, slot)
    return True


def _greet(inner: Inner, conn: Any, slot: Slot) -> None:
    """Call ``on_checkout``; if it raises, the connection goes back."""
    if inner.config.use_time:
        slot.lent_at = monotonic()
    hook = inner.config.on_checkout
    if hook is not None:
        try:
            hook(conn)
            if inner.status(conn):
                raise inner.error(PoolError, "on_checkout left a transaction open; end it")
        except BaseException:
            if _clean(inner, conn, slot):
                inner.keep(conn, slot)
            raise


def _clean(inner: Inner, conn: Any, slot: Slot) -> bool:
    """Clean a returned connection; return whether to keep it. If not, it is discarded."""
    if inner.caretaker.worth_keeping(conn, slot) and not inner.is_surplus(slot):
        _calm(inner, slot)
        return True
    inner.discard(conn, slot)
    return False


def _calm(inner: Inner, slot: Slot) -> None:
    """Note that the connection was looked at."""
    slot.wary = False
    # In this order, lest a mark that somebody sets meanwhile be overlooked.
    asleep = clock.asleep and not inner.inline
    if inner.always_wary or asleep or inner.is_surplus(slot):
        slot.wary = True
