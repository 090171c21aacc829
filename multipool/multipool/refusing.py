"""When a pool says no, and in which words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multipool.borrower import here
from multipool.errors import ConnectionNotLeased, PoolError, PoolTimeout, TooManyWaiting, for_driver
from multipool.holders import describe_holders

if TYPE_CHECKING:
    from multipool.pool import Pool
    from multipool.slot import Slot


def error(pool: Pool, kind: type[PoolError], text: str) -> PoolError:
    """Return an error of *kind* that names the pool and is also the driver's own."""
    return for_driver(kind, pool.driver.OperationalError)(f"pool {pool.name!r}: {text}")


def whole_state(pool: Pool, gave_up: int = 0) -> str:
    """Return how full the pool is, who holds its connections, and whether its server is away.

    *gave_up*: how many have left the line and still count as waiting.
    """
    places = pool._places
    waiting = len(places.waiting) + gave_up
    state = describe_holders(list(places.slots), pool.config.max_size, waiting)
    return state if places.outage is None else f"{places.outage}; {state}"


def refuse_to_wait(pool: Pool, timeout: float, *, again: bool) -> None:
    """Raise if this thread may not wait. The places' lock is held.

    *again*: it was in the line already, so it is not one more.
    """
    places, totals, config = pool._places, pool._totals, pool.config
    if timeout <= 0:
        totals.add("timeouts")
        raise error(pool, PoolTimeout, f"no connection at once: {whole_state(pool)}")
    # If it holds all there is, it would wait for itself.
    me = here.borrower
    if sum(slot.borrower is me for slot in places.slots) >= places.limit:
        raise error(
            pool,
            PoolTimeout,
            "this thread holds every connection already and would wait for itself: "
            + whole_state(pool),
        )
    limit = config.max_waiting
    if limit and not again and len(places.waiting) >= limit:
        totals.add("rejected")
        raise error(
            pool,
            TooManyWaiting,
            f"max_waiting={limit} threads wait already: {whole_state(pool)}",
        )


def refuse_stale(pool: Pool, slot: Slot) -> None:
    """Raise if this thread had the connection once, and somebody else has it now."""
    borrower, me = slot.borrower, here.borrower
    if borrower is not None and borrower is not me and me in slot.former:
        raise error(
            pool,
            ConnectionNotLeased,
            f"this thread's lease has ended; now thread {borrower.name} has the connection",
        )


def not_ours(pool: Pool, conn: Any) -> PoolError:
    """Return the error for something that is none of the pool's connections."""
    what = f"this {type(conn).__name__} is not one of this pool's connections"
    return error(pool, ConnectionNotLeased, what)


def not_leased(pool: Pool) -> PoolError:
    """Return the error for a connection that was returned already."""
    return error(pool, ConnectionNotLeased, "this connection was returned already")
