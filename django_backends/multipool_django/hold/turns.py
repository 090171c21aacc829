"""Whose turn it is on a connection that threads share: in a forked child, none of its parent's."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING
from weakref import ReferenceType, ref

from multipool import lifecycle

if TYPE_CHECKING:
    from multipool_django.hold.connection import OnDemandConnection

# No WeakSet, whose copying would want a lock; finalisers too may come by here.
_shared: set[ReferenceType[OnDemandConnection]] = set()


def turn_on(connection: OnDemandConnection) -> RLock:
    """Return what to take before *connection* is used, which gets another in a forked child.

    Reentrant, since a notice handler may ask something.
    """
    _shared.add(ref(connection, _shared.discard))
    return RLock()


def _begin_anew() -> None:
    """Let nobody wait, in a forked child, for a thread that is its parent's alone."""
    for one in list(_shared):
        if (connection := one()) is not None:
            connection._inherited = True
            before = connection._turn
            connection._turn = lifecycle.turn_after_fork(before)
            if connection._turn is not before:  # nor is what that thread executes the child's
                connection._running = 0


lifecycle.renew(_begin_anew)
