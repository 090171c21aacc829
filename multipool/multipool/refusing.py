"""When a pool says no, and in which words."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, Final

from multipool.amid import is_own
from multipool.borrower import here
from multipool.errors import ConnectionNotLeased, PoolError, PoolTimeout, TooManyWaiting
from multipool.holders import describe_holders
from multipool.inner import Inner
from multipool.slot import Slot

#: Where threads come from that do one job after another.
_EXECUTORS: Final = frozenset(["concurrent.futures.thread", "anyio._backends._asyncio"])


def whole_state(inner: Inner, gave_up: int = 0) -> str:
    """Return how full the pool is, who holds its connections, and whether its server is away.

    *gave_up*: how many have left the line and still count as waiting.
    """
    places = inner.places
    waiting = len(places.queue()) + gave_up
    state = describe_holders(list(places.slots), inner.config.max_size, waiting)
    if inner.stake is not None and inner.stake.is_short(inner):
        state = f"{inner.stake.words()}; {state}"
    return state if places.outage is None else f"{places.outage}; {state}"


def refuse_to_wait(inner: Inner, timeout: float, *, again: bool) -> None:
    """Raise if this thread may not wait. The places' lock is held.

    *again*: it was in the line already, so it is not one more.
    """
    places, totals, config = inner.places, inner.totals, inner.config
    if timeout <= 0:
        totals.add("timeouts")
        raise inner.error(PoolTimeout, f"no connection at once: {whole_state(inner)}")
    limit = config.max_waiting
    # A list of them is made only where there may be too many.
    if limit and not again and len(places.waiting) >= limit and len(places.queue()) >= limit:
        totals.add("rejected")
        raise inner.error(
            TooManyWaiting,
            f"max_waiting={limit} threads wait already: {whole_state(inner)}",
        )


_AMID: Final = (
    "a finaliser or signal handler asks, in the midst of what its thread does in the pool"
)


def refuse_amid(inner: Inner) -> None:
    """Raise if this thread is in the midst of a decision of the pool, and would wait for itself."""
    if is_own(inner.places.lock):
        inner.totals.add("timeouts")
        raise inner.error(PoolTimeout, f"no connection at once: {_AMID}: {whole_state(inner)}")


def refuse_resize_amid(inner: Inner) -> None:
    """The same for one that would change the bounds."""
    if is_own(inner.places.lock):
        raise inner.error(PoolError, f"cannot be resized just now: {_AMID}")


def holds_all(inner: Inner) -> bool:
    """Return whether this thread holds every connection there may be."""
    me, places = here.borrower, inner.places
    for slot in places.slots:  # as a rule the first one tells
        if slot.borrower is not me or not slot.leased:
            return False
    # A share of a budget may still grow.
    return len(places.slots) >= inner.config.limit


def does_jobs() -> bool:
    """Return whether this thread is an executor's, and does what others give it to do.

    Then what it was lent may be in the hands of those, as with ``asyncio.to_thread``, and come
    back by another thread: it does not wait for itself.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") in _EXECUTORS:
            return True
        frame = frame.f_back
    return False


def waits_for_itself(inner: Inner) -> PoolError:
    """Return the error for a thread that would wait for what it holds."""
    text = "this thread holds every connection already and would wait for itself"
    return inner.error(PoolTimeout, f"{text}: {whole_state(inner)}")


def refuse_stale(inner: Inner, slot: Slot) -> None:
    """Raise if this thread had the connection once, and somebody else has it now."""
    borrower, me = slot.borrower, here.borrower
    if slot.leased and borrower is not me and slot.former and me in slot.former:
        raise inner.error(
            ConnectionNotLeased,
            f"this thread's lease has ended; now thread {borrower.name} has the connection",
        )


def not_ours(inner: Inner, conn: Any) -> PoolError:
    """Return the error for something that is none of the pool's connections."""
    what = f"this {type(conn).__name__} is not one of this pool's connections"
    return inner.error(ConnectionNotLeased, what)


def refuse_foreign(inner: Inner, conn: Any) -> None:
    """Raise if *conn* is none of the pool's."""
    slot = getattr(conn, "_multipool_slot", None)
    if slot is None or slot.home is not inner.home:
        raise not_ours(inner, conn) from None


def not_lent(inner: Inner, conn: Any, slot: Slot) -> PoolError:
    """Return the error for what is given back to the pool and was not lent by it."""
    return not_leased(inner) if slot.home is inner.home else not_ours(inner, conn)


def entered_twice(inner: Inner) -> PoolError:
    """Return the error for a block inside a block of the same ``pool.connection()``."""
    what = "one connection() was entered again inside its own block; call it for each block"
    return inner.error(ConnectionNotLeased, what)


def not_leased(inner: Inner) -> PoolError:
    """Return the error for a connection that was returned already."""
    return inner.error(ConnectionNotLeased, "this connection was returned already")
