"""Checkout and return of an idle connection, while nobody waits.

No lock, no system call, no round trip and no log call; all that is out of the ordinary is
left to `lending`. The two functions are closures: what they need is in their cells, which
saves a seventh of the price that a method pays for looking it up. `Lease`, the third way in,
has the same steps in line, since a call of them would cost it a quarter. Where there was a
compiler, the everyday case is done in C, see `compiled_path`.

They keep a pool alive no more than its connections do.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable
from time import monotonic
from typing import Any

from multipool import refusing
from multipool.borrower import here
from multipool.clock import clock
from multipool.compiled_path import quickest
from multipool.errors import PoolClosed, for_driver
from multipool.inner import Inner
from multipool.lending import check_out, end_lease, lendable, look_around, take_back
from multipool.seconds import refuse_unless_timeout
from multipool.slot import Slot


def lay(
    inner: Inner,
) -> tuple[Callable[..., Any], Callable[[Any], None], Callable[[Any, Slot, int], bool]]:
    """Return the ``getconn`` and the ``putconn`` of a pool; see `Pool` for what they do.

    And what does the latter for the lease of a given number, and returns whether it was not over.
    """
    waiting, idle, match = inner.waiting, inner.places.idle, inner.places.match
    status, home = inner.status, inner.home
    tracing, frame_of = inner.tracing, inner.tracing.frame_of
    ident, upkeep = get_ident, inner.upkeep  # in cells, like everything here

    name, closed = inner.name, for_driver(PoolClosed, inner.driver.OperationalError)

    def alive() -> Inner:
        found = home()
        if found is None:
            raise closed(f"pool {name!r}: the pool is gone; whoever uses its getconn must keep it")
        return found

    def getconn(timeout: float | None = None, _depth: int = 1, _stack: bool = True) -> Any:
        if timeout is not None:
            refuse_unless_timeout(name, timeout)
        try:
            frame = frame_of(_depth)
        except ValueError:  # called by what is no Python code
            frame = frame_of(0)
        if waiting:
            return check_out(alive(), timeout, frame, _stack)
        try:
            conn = idle.pop()
        except IndexError:
            return check_out(alive(), timeout, frame, _stack)
        slot: Slot = conn._multipool_slot
        if slot.wary and not lendable(alive(), conn, slot):
            return check_out(alive(), timeout, frame, _stack)
        slot.code = frame.f_code
        slot.lasti = frame.f_lasti
        if tracing.stacks and _stack:
            slot.keep_stack(frame)
        slot.serial += 1
        if slot.borrower.living != ident():
            slot.pass_to(here.borrower)
        slot.leased = home
        return conn

    def getconn_inline(timeout: float | None = None, _depth: int = 1, _stack: bool = True) -> Any:
        # The same but for its beginning, and that nobody else would date the lease.
        if timeout is not None:
            refuse_unless_timeout(name, timeout)
        ended = upkeep.ended
        clock.now = now = monotonic()
        if ended(0, 1) or now >= upkeep.due:
            look_around(alive(), timeout)
        try:
            frame = frame_of(_depth)
        except ValueError:
            frame = frame_of(0)
        if waiting:
            return check_out(alive(), timeout, frame, _stack, now)
        try:
            conn = idle.pop()
        except IndexError:
            return check_out(alive(), timeout, frame, _stack, now)
        slot: Slot = conn._multipool_slot
        if slot.wary and not lendable(alive(), conn, slot):
            return check_out(alive(), timeout, frame, _stack, now)
        slot.code = frame.f_code
        slot.lasti = frame.f_lasti
        if tracing.stacks and _stack:
            slot.keep_stack(frame)
        slot._since = now
        slot._dated = slot.serial = slot.serial + 1
        if slot.borrower.living != ident():
            slot.pass_to(here.borrower)
        slot.leased = home
        return conn

    def putconn(conn: Any) -> None:
        try:
            slot: Slot = conn._multipool_slot
            busy = status(conn)
            if slot.has_past and (
                slot.settled_lease or (slot.former and slot.borrower.living != ident())
            ):
                busy = True
        except Exception:
            refusing.refuse_foreign(alive(), conn)
            raise
        if busy or slot.wary:
            found = home()
            return slot.give_back(conn) if found is None else take_back(found, conn, slot)
        # From the look at `wary` to the push there is no call, so no other thread comes in
        # between: a mark is either seen here or made when the connection is idle already. And of
        # two threads that return the same lease at once only one comes through.
        if slot.leased is not home:
            raise refusing.not_lent(alive(), conn, slot)
        slot.leased = None
        idle.append(conn)
        if waiting:
            match()
        return None

    def endlease(conn: Any, slot: Slot, serial: int) -> bool:
        busy = status(conn)
        if slot.serial != serial or not slot.leased:
            return False
        if busy or slot.wary:
            return end_lease(alive(), conn, slot, serial)
        slot.leased = None
        idle.append(conn)
        if waiting:
            match()
        return True

    return (
        quickest(inner, getconn_inline if inner.inline else getconn),
        quickest(inner, putconn),
        quickest(inner, endlease),
    )
