"""Who holds a pool's connections just now, from any thread and without disturbing anybody."""

from __future__ import annotations

from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from multipool.driver import ACTIVE, INERROR, INTRANS, UNKNOWN
from multipool.watch.cursor import sight_of
from multipool.watch.doing import doing
from multipool.watch.records import STATES, Holder
from multipool.watch.stacks import lines_of

if TYPE_CHECKING:
    from multipool.inner import Inner
    from multipool.slot import Slot
    from multipool.watch.sight import Sight


def holders(inner: Inner) -> list[Holder]:
    """Return the leases there are, the longest first."""
    slots = sorted(inner.places.slots, key=lambda slot: slot.since)
    found = [describe(inner, slot) for slot in slots if slot.leased]
    return [holder for holder in found if holder is not None]


def held(inner: Inner, longer_than: float | None) -> list[Holder]:
    """Return the leases that last for longer than so many seconds; see `Pool.held`."""
    least = longer_than if longer_than is not None else inner.config.held_after or 0.0
    return [holder for holder in holders(inner) if holder.held_for > least]


def idle_in_transaction(inner: Inner, longer_than: float | None) -> list[Holder]:
    """Return those that are idle in a transaction; see `Pool.idle_in_transaction`."""
    option = inner.config.idle_in_transaction_after
    least = longer_than if longer_than is not None else option or 0.0
    found = [
        (holder.idle_for, holder)
        for holder in holders(inner)
        if holder.idle_for is not None and holder.idle_for > least
    ]
    return [holder for _, holder in sorted(found, key=lambda pair: pair[0], reverse=True)]


def describe(inner: Inner, slot: Slot) -> Holder | None:
    """Return what is known of the lease of *slot*; None if there is none any more."""
    serial, now = slot.serial, monotonic()
    conn = slot.conn_ref() if slot.conn_ref is not None else None
    status = status_of(inner, slot, conn)
    if status is None:
        return None
    sight = sight_of(conn)
    borrower = slot.borrower
    idle_since = idle_since_of(slot, sight, status)
    checked_out = lines_of(slot.checked_out_at(None if sight is None else sight.first_of(serial)))
    holder = Holder(
        pool=inner.name,
        borrower=borrower.name,
        backend_pid=slot.backend_pid,
        state=STATES[status],
        held_for=max(now - slot.since, 0.0),
        idle_for=None if idle_since is None else max(now - idle_since, 0.0),
        checked_out=checked_out,
        cursor=_lines(sight, "cursor", serial, checked_out),
        query=_lines(sight, "query", serial, checked_out),
        statement=_statement(sight, serial),
        opened=lines_of(slot.opened_at),
        doing=doing(borrower, slot.task if slot.stack_lease == serial else None, slot.code)
        if inner.tracing.base
        else (),
    )
    return holder if slot.leased and slot.serial == serial else None


def status_of(inner: Inner, slot: Slot, conn: Any) -> int | None:
    """Return the transaction status of a lent connection; None if it is not lent any more."""
    if conn is None:
        return None
    status = inner.status
    # Nothing comes between the look at the lease and the driver's: until the borrower gives it
    # back nobody closes a connection, and a driver may not like to be asked in the midst of that.
    found = status(conn) if slot.leased else None
    if found is None:
        return None
    sight = sight_of(conn)
    # A driver in Python learns the status from the answer.
    return ACTIVE if sight is not None and sight.running and found != UNKNOWN else found


def idle_since_of(slot: Slot, sight: Sight | None, status: int) -> float | None:
    """Return the monotonic time since which a lease is idle in a transaction; None if it is not.

    That is the end of its last statement; or, where a transaction was begun by none, when it was
    last seen without one.
    """
    if status not in (INTRANS, INERROR) or sight is None:
        return None
    quiet = monotonic() - (perf_counter() - sight.quiet_since)
    return max(quiet, slot.since, slot.seen_outside)


def _statement(sight: Sight | None, serial: int) -> str | None:
    if sight is None or sight.query_lease != serial:
        return None
    statement = sight.statement
    if statement is None and sight.tracing.observers:
        statement = sight.last
    if statement is None:
        return None
    from multipool.watch.queries.log import text_of  # few pools count queries

    return text_of(statement, ended=statement is sight.last)


def _lines(
    sight: Sight | None, name: str, serial: int, checked_out: tuple[str, ...]
) -> tuple[str, ...]:
    if sight is None or getattr(sight, f"{name}_lease") != serial:
        return ()
    stack = getattr(sight, name)
    return checked_out if stack is None else lines_of(stack)
