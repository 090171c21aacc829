"""Who holds a pool's connections, in words: the part of an error that helps at 3 a.m."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic

from multipool.slot import Slot

#: More lines than this would hide the error in its own report.
_SHOWN = 10


def describe_holders(slots: Iterable[Slot], max_size: object, waiting: int) -> str:
    """Return how full a pool is and who holds its connections, the longest first."""
    now = monotonic()
    taken = list(slots)
    leased = sorted((slot for slot in taken if slot.leased), key=lambda slot: slot.since)
    connecting = sum(slot.conn_ref is None for slot in taken)
    head = f"{len(leased)} of max_size={max_size} in use"
    if connecting:
        head += f", {connecting} being opened or closed"
    head += f", {waiting} waiting"
    if not leased:
        return head
    lines = [
        f"  thread {slot.borrower.name} for {now - slot.since:.1f} s, checked out at {slot.where()}"
        for slot in leased[:_SHOWN]
    ]
    if len(leased) > _SHOWN:
        lines.append(f"  and {len(leased) - _SHOWN} more")
    return "\n".join([f"{head}; held by", *lines])
